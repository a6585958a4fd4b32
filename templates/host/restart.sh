#!/bin/bash
# Restarts the stack in /opt/torrust, as root: stops all of it, then starts it again in order.   usage: restart.sh SECONDS
#
# It ends when all are healthy, or fails after SECONDS. Once it has begun it comes to its end, also when nobody listens
# any more. Containers stay those that they are.
set -euo pipefail
cd /opt/torrust
exec 9>.lock
flock -w 120 9 || { echo "another release or run is at work on this host" >&2; exit 1; }
[ ! -e .half-restored ] || { echo "a restore of $(cat .half-restored) was cut off on this host" >&2; exit 1; }
# A database that goes away would spoil a backup.
if [ -d storage/backup ]; then
  exec 8>>storage/backup/.lock
  flock -w 600 8 || { echo "a backup is being made on this host" >&2; exit 1; }
fi
trap '' HUP INT TERM PIPE
said=$(mktemp /run/torrust-tracker-restart.XXXXXX)
compose() { docker compose "$@" >>"$said" 2>&1 8>&- 9>&-; }
compose stop || :
code=0
compose up --detach --no-recreate --pull never --wait --wait-timeout "$1" || code=$?
[ "$code" -eq 0 ] || cat "$said" >&2 || :
rm -f "$said"
exit "$code"
