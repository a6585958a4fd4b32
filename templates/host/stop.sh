#!/bin/bash
# Stops the stack in /opt/torrust and gives the host up, as root; the data stays.   usage: stop.sh ENVIRONMENT
set -eu
# shellcheck source-path=SCRIPTDIR source=owner.sh
[ -n "${root-}" ] || . "$(dirname "$0")/owner.sh"
if [ ! -e "$root/docker-compose.yml" ]; then
  echo "nothing to stop"
  exit 0
fi
cd "$root"
exec 9>.lock
flock -w 120 9 || { echo "another release or run is at work on this host" >&2; exit 1; }
owner=$(cat environment 2>/dev/null || echo "$1")
[ "$owner" = "$1" ] || { echo "not stopped: what runs there is of the environment $owner"; exit 0; }
# Who gives the host up would not look after it any more.
[ ! -e .half-restored ] || {
  echo "a restore of $(cat .half-restored) was cut off; end or undo it: torrust-tracker-deployer backup $1 restore $(cat .half-restored)" >&2
  exit 1
}
find /etc/systemd/system -maxdepth 1 -lname "$root/*" -printf '%f\n' | while read -r unit; do
  # Disabling takes the link away, after which systemd could not stop it cleanly.
  systemctl stop "$unit"
  systemctl disable --quiet "$unit"
  systemctl reset-failed "$unit" 2>/dev/null || :
done
if command -v docker >/dev/null; then
  remove_former ''
fi
rm -f environment
echo stopped
