#!/bin/bash
# Makes a backup of the database and the configuration, as root.   usage: backup.sh create [held | last]
#
# storage/backup/20260131T030000Z-12.tar.gz: when it was made (UTC), and of which release; beside it its checksum. In it
# each file has its path below /opt/torrust; the database is its copy at one moment, or the server's dump
# storage/mysql/dump.sql or storage/postgresql/dump.sql; `about`, the first one, says what all is of. Backups older than the
# settings say go once a new one is whole, unless a file NAME.keep is next to them. What a run that did not get there said is in
# `unfinished`. held: the caller has the locks, and no older one goes. last: the tracker is stopped first, so that nothing comes
# after it, and started again where the backup fails, or nobody hears of it. It says:
#   doing TEXT
#   made ID bytes BYTES seconds SECONDS
#   removed NAME, older than DAYS days
#   refused WORD              see common.sh; why is on standard error, as for each failure
here=$(dirname "$(readlink -f "$0")")
# shellcheck source-path=SCRIPTDIR source=common.sh
. "$here/common.sh"
work=$folder/.work
copy=$folder/.copy

# What a failure, a signal or an earlier power cut left.
tidy() {
  close_folder
  rm -rf "$work" "$copy" "$folder"/*.partial
}

# The database's owner writes the copy, and gets into this folder for as long as that takes. Its container cannot see it.
open_folder() {
  install -d -m 700 -o "$owner" -g "$owner" "$copy"
  chgrp "$owner" "$folder"
  chmod 710 "$folder"
}
close_folder() {
  chmod 700 "$folder"
  chgrp "$(id -g)" "$folder"
}

# What went wrong is said here, and kept for who asks later: after a restart systemd has forgotten it.
end() {
  local status=$? reason
  set +e
  # First of all, and without a word: who would hear of it may be gone.
  [ "$status" -eq 0 ] || [ -z "$stopped" ] || compose start tracker >/dev/null 2>&1
  tidy
  exec 2>&3
  if [ "$status" -ne 0 ]; then
    # What comes after the first complaint follows from it.
    reason=$(grep -vE '\[Warning\]|^ ?(Container|Network) ' "$said" | head -n 1) || reason="it was cut off"
    if grep -qiE 'no space left|disk is full' "$said"; then
      echo "refused full"
      reason="the disk is full: $reason"
    fi
    # On a full disk the file stays empty.
    echo "$reason" >"$folder/unfinished" || :
    tail -n +2 "$said" >&2
    echo "backup failed: $reason" >&2
  fi
  rm -f "$said"
  exit "$status"
}

# A backup is worth having although nobody hears of it; a tracker that is stopped for it is not.
doing() { echo "doing $1" 2>/dev/null || [ -z "$stopped" ] || fail "nobody hears of it any more"; }

# A release that is being put in place meanwhile would be copied half old and half new.
take_locks() {
  local half
  [ "$how" != held ] || return 0
  exec 9>>"$root/.lock"
  await "a release or run" -s 9
  half=$(cat "$root/.half-restored" 2>/dev/null) && refuse "half $half" "backup failed: a restore of $half was cut off on this host"
  exec 8>"$folder/.lock"
  # Who only looks whether one is being made holds it for a moment, too.
  flock -w 5 8 || refuse busy "backup failed: another one is being made on this host"
}

# The copy and its archive must both fit: a full disk would stop the tracker, too.
make_room() {
  local kib free
  if [ -n "$external" ]; then
    wait_for_server
    kib=$("size_$server" at_server)
  else
    [ -e "$root/$data" ] || fail "there is no database at $data: the tracker did not run yet"
    kib=$(du -sk "$root/$data" | cut -f 1)
  fi
  free=$(df -k --output=avail "$folder" | tail -n 1)
  [ "$free" -gt $((2 * kib)) ] || refuse full "the disk is too full: the database has $kib KiB, a backup may need twice as much, and $free KiB are free in $folder"
}

# The server must run to be asked for its data.
stop_tracker() {
  doing "stopping the tracker"
  [ -z "$(compose ps --quiet --status running tracker)" ] || stopped=yes
  compose stop tracker
  [ -z "$server" ] || [ -n "$external" ] || compose up --detach --wait --pull never "$server"
}

copy_configuration() (
  release=$(readlink "$root/releases/current")
  cd "$root"
  grep -vE '^(dir|unit) ' releases/current/manifest | cut -d ' ' -f 4- | tr '\n' '\0' |
    tar -c --null --files-from=- "releases/$release/manifest" | tar -xC "$work"
  echo "$release"
)

copy_database() {
  mkdir -p "$(dirname "$work/$data")"
  [ -z "$server" ] || wait_for_server
  case $driver in
    sqlite3)
      open_folder
      sqlite "$owner" copy-sqlite.py "$root/$data" "$copy/database"
      rows=$(sqlite "$owner" rows.py "$copy/database")
      close_folder
      chown "$(id -u):$(id -g)" "$copy"
      [ -f "$copy/database" ] && [ ! -L "$copy/database" ] || fail "$copy/database is no file any more"
      mv -T "$copy/database" "$work/$data"
      chown "$owner:$owner" "$work/$data"
      chmod 640 "$work/$data"
      ;;
    # One transaction sees one moment, and blocks no one. What the tracker's user may not see is not asked for.
    mysql)
      at_server mysqldump "$client" --single-transaction --quick --no-tablespaces \
        --set-gtid-purged=OFF --hex-blob --loose-skip-masking-policies -- "$database" >"$work/storage/mysql/dump.sql"
      tail -n 1 "$work/storage/mysql/dump.sql" | grep -q '^-- Dump completed' || fail "the dump has no end"
      ;;
    postgresql)
      at_server "${pg_client[@]}" pg_dump --no-password --no-owner --no-privileges --encoding=UTF8 \
        >"$work/storage/postgresql/dump.sql"
      tail -n 5 "$work/storage/postgresql/dump.sql" | grep -q '^-- PostgreSQL database dump complete' || fail "the dump has no end"
      ;;
  esac
}

# For who wants it back: what it is of, how much room it takes, and what must be in it then.
describe() { # describe ID RELEASE
  local path=$work/$data
  if [ -n "$server" ]; then
    path=$work/storage/$server/dump.sql
    rows=$(python3 "$here/rows.py" "$path")
  fi
  printf '%s\n' "format=1" "environment=$environment" "id=$1" "release=$2" "driver=$driver" "path=${path#"$work/"}" \
    "bytes=$(stat -c %s "$path")" >"$work/about"
  [ -z "$rows" ] || while read -r _ rows; do echo "rows=$rows"; done <<<"$rows" >>"$work/about"
}

pack() { # pack NAME
  # Without the folders, which unpacking would change on a host that has them.
  (cd "$work" && { printf 'about\0'; find . -type f ! -path ./about -printf '%P\0' | sort -z; } |
    tar -c --null --files-from=-) | gzip -1 >"$folder/$1.partial"
  gzip -t <"$folder/$1.partial"
  (cd "$folder" && sha256sum <"$1.partial" | sed "s/-\$/$1/" >"$1.sha256.partial")
  sync -f "$folder"
  mv "$folder/$1.sha256.partial" "$folder/$1.sha256"
  mv "$folder/$1.partial" "$folder/$1"
}

# By their names, which say when they were made.
remove_older() {
  local limit path
  [ -n "$retention_days" ] || return 0
  limit=$(date -u -d "-$retention_days days" +%Y%m%dT%H%M%SZ)
  for path in "$folder"/[0-9]*T[0-9]*Z-*.tar.gz; do
    [[ ${path##*/} < $limit ]] && [ ! -e "$path.keep" ] || continue
    rm -f "$path" "$path.sha256"
    echo "removed ${path##*/}, older than $retention_days days" 2>/dev/null || :
  done
}

create() {
  local id release
  install -d -m 700 "$folder"
  take_locks
  said=$(mktemp -p /run torrust-tracker-backup.XXXXXX)
  exec 3>&2 2>"$said"
  # A signal would leave the tracker stopped.
  trap '' PIPE
  trap 'exit 143' TERM INT HUP
  trap end EXIT
  tidy
  # A disk too full for this is found and told next.
  echo "it was cut off" >"$folder/unfinished" || :
  id=$(date -u +%Y%m%dT%H%M%SZ)
  make_room
  mkdir "$work"
  [ "$how" != last ] || stop_tracker
  doing "copying the configuration"
  release=$(copy_configuration)
  [ -n "$how" ] || exec 9>&-
  id=$id-$release
  doing "copying the database"
  copy_database
  describe "$id" "$release"
  doing "packing"
  pack "$id.tar.gz"
  rm "$folder/unfinished"
  # The last run is this one, also where it was started by hand.
  systemctl reset-failed torrust-tracker-backup.service 2>/dev/null || :
  # Nobody removes a host whose last backup nobody heard of.
  echo "made $id bytes $(stat -c %s "$folder/$id.tar.gz") seconds $SECONDS" 2>/dev/null || [ -z "$stopped" ] || compose start tracker
  [ "$how" = held ] || remove_older
}

case $* in
  create | "create held" | "create last") how=${2:-} ;;
  *) sed -n '2s/# //p' "$0" >&2; exit 2 ;;
esac
stopped=''
create
