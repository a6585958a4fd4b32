#!/bin/sh
# Does what the entry point of today's image does: the user, the folders and their owner, a default configuration where
# none is there, then the tracker. The database's folder is made for the default configuration with SQLite alone.
set -eu
if [ -z "${USER_ID-}" ] || [ "$USER_ID" -lt 1000 ]; then
  echo "ERROR: USER_ID is not set, or less than 1000" >&2
  exit 1
fi
id torrust >/dev/null 2>&1 || useradd --create-home --shell /bin/sh --uid "$USER_ID" torrust
mkdir -p /etc/torrust/tracker
if [ ! -e /etc/torrust/tracker/tracker.toml ]; then
  driver=${TORRUST_TRACKER_CONFIG_OVERRIDE_CORE__DATABASE__DRIVER-}
  case $(printf %s "$driver" | tr -d '"' | tr '[:upper:]' '[:lower:]') in
    sqlite3) default=sqlite3; mkdir -p /var/lib/torrust/tracker/database ;;
    mysql) default=mysql ;;
    postgresql) default=postgresql ;;
    '') default=no-persistence ;;
    *)
      echo "Error: Unsupported Database Type: \"$driver\"." >&2
      echo 'Please Note: Supported Database Types: "sqlite3", "mysql", "postgresql".' >&2
      exit 1 ;;
  esac
  install -m 0640 "/usr/share/torrust/default/config/tracker.container.$default.toml" /etc/torrust/tracker/tracker.toml
fi
chown -R "$USER_ID:$USER_ID" /var/lib/torrust /var/log/torrust /etc/torrust
chmod -R 2770 /var/lib/torrust /var/log/torrust /etc/torrust
cd /home/torrust
exec setpriv --reuid "$USER_ID" --regid "$USER_ID" --init-groups "$@"
