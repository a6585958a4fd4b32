#!/bin/sh
# Does what the entry point of the official image does: the user, the folders and their owner, a default configuration where
# none is there, then the tracker.
set -eu
case $TORRUST_TRACKER_CONFIG_OVERRIDE_CORE__DATABASE__DRIVER in
  sqlite3 | mysql) ;;
  *) echo "Error: Unsupported Database Type: \"$TORRUST_TRACKER_CONFIG_OVERRIDE_CORE__DATABASE__DRIVER\"." >&2; exit 1 ;;
esac
id torrust >/dev/null 2>&1 || useradd --create-home --shell /bin/sh --uid "$USER_ID" torrust
mkdir -p /var/lib/torrust/tracker/database /etc/torrust/tracker
default=/usr/share/torrust/default/config/tracker.container.$TORRUST_TRACKER_CONFIG_OVERRIDE_CORE__DATABASE__DRIVER.toml
[ -e /etc/torrust/tracker/tracker.toml ] || install -m 0640 "$default" /etc/torrust/tracker/tracker.toml
chown -R "$USER_ID:$USER_ID" /var/lib/torrust /var/log/torrust /etc/torrust
chmod -R 2770 /var/lib/torrust /var/log/torrust /etc/torrust
cd /home/torrust
exec setpriv --reuid "$USER_ID" --regid "$USER_ID" --init-groups "$@"
