#!/bin/bash
# A restore drill, as root: builds the database in a scratch place, counts, and removes it again.   usage: verify.sh ID
#
# It says "archive TABLE COUNT", what the archive says of itself; "restored TABLE COUNT"; and "live TABLE COUNT", what the
# tracker's database has now, where it can be asked. "added TABLE": the tracker in place needs it, and the archive has it not.
here=$(dirname "$(readlink -f "$0")")
# shellcheck source-path=SCRIPTDIR source=common.sh
. "$here/common.sh"
# shellcheck source-path=SCRIPTDIR source=tables.sh
. "$here/tables.sh"
# shellcheck source-path=SCRIPTDIR source=archive.sh
. "$here/archive.sh"
exec 7>"$folder/.scratch.lock"
flock -n 7 || refuse busy "another drill is at work on this host"
install -d -m 700 "$folder/.scratch"
trap 'stop_scratch; rm -rf "$folder/.scratch"' EXIT
examine "$1" foreign
room 0 "the drill"
rows_in_archive | sed 's/^rows/archive/'
# Root alone gets to the scratch place.
mounted=storage/backup/.scratch inside='' keeper=0
build "$folder/.scratch/database"
while read -r _ row; do echo "restored $row"; done <<<"$rows"
if [ -z "$server" ]; then
  [ ! -e "$root/$data" ] || sqlite "$owner" rows.py "$root/$data"
elif [ -n "$external" ]; then
  # It may be away: the archive is checked all the same.
  if "ask_$server" at_server >/dev/null 2>&1; then "count_$server" at_server; fi
else
  [ -z "$(compose ps --quiet --status running "$server")" ] || "count_$server" at_server
fi | sed 's/^rows/live/'
