#!/bin/sh
# Starts Grafana with the administrator's password that is configured: by itself it takes one at its first start alone.
set -eu
data=/var/lib/grafana
settings=/etc/torrust/grafana

# Encrypts what is secret in Grafana's database; without one of its own it takes a key that everybody knows. The database
# is of no use without it: it lies beside it, and stays.
if [ ! -s "$data/secret_key" ]; then
  (umask 077 && head -c 32 /dev/urandom | base64 >"$data/secret_key.new")
  mv "$data/secret_key.new" "$data/secret_key"
fi

if [ -e "$data/grafana.db" ]; then
  # A database that was cut off before it had an administrator gets one from the server. The file system is read-only: no
  # log file.
  GF_LOG_MODE=console grafana cli --homepath "$GF_PATHS_HOME" admin reset-admin-password --password-from-stdin <"$settings/admin_password" ||
    echo "the administrator's password stays what it was" >&2
fi
exec /run.sh
