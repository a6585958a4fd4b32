#!/bin/bash
# Stops the stack in /opt/torrust and gives the host up, as root; the data stays.   usage: stop.sh ENVIRONMENT
set -eu
root=/opt/torrust
if [ ! -e "$root/docker-compose.yml" ] || ! command -v docker >/dev/null; then
  echo "nothing to stop"
  exit 0
fi
cd "$root"
exec 9>.lock
flock -w 120 9 || { echo "another release or run is at work on this host" >&2; exit 1; }
owner=$(cat environment 2>/dev/null || echo "$1")
[ "$owner" = "$1" ] || { echo "not stopped: what runs there is of the environment $owner"; exit 0; }
docker compose down --remove-orphans --timeout 30 >&2
rm -f environment
echo stopped
