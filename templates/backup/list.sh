#!/bin/bash
# Lists the backups on this host, as root: "backup ID BYTES SHA256 STATE".   usage: list.sh [check]
#
# SHA256 is that of the archive when it was made. STATE is "unchecked"; with check: ok, damaged.
here=$(dirname "$(readlink -f "$0")")
# shellcheck source-path=SCRIPTDIR source=common.sh
. "$here/common.sh"
[ -d "$folder" ] || exit 0
cd "$folder"
find . -maxdepth 1 -name '[0-9]*T[0-9]*Z-*.tar.gz' -printf '%f\n' | sort | while read -r name; do
  # One that has become too old meanwhile is not there any more.
  bytes=$(stat -c %s "$name" 2>/dev/null) || continue
  sum=$(cut -c 1-64 "$name.sha256" 2>/dev/null) || sum=-
  state=unchecked
  if [ "${1:-}" = check ]; then
    state=ok
    [ "$(sha256sum <"$name" | cut -c 1-64)" = "$sum" ] || state=damaged
  fi
  echo "backup ${name%.tar.gz} $bytes $sum $state"
done
