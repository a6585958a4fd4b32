#!/bin/bash
# Puts a backup's database in the place of the present one, as root. The configuration is the release's, and stays.
#
#   restore.sh settle                   tells how an earlier restore fared, and undoes or ends one that was cut off
#   restore.sh receive BYTES SHA256     takes an archive from standard input to the backups
#   restore.sh check ID [foreign]       whether it can be done; nothing is touched
#   restore.sh begin ID [unsaved]       does it, apart from this session; then as follow
#                                       unsaved: without a backup of the present database first
#   restore.sh follow                   tells of the restore at work until its end, or that of the input
#
# The new database is built beside the present one while the tracker goes on. Then the two change places, by renaming; the
# old one stays until the stack is healthy with the new one and nobody objects, and comes back otherwise. It says:
#   doing TEXT
#   atwork ID                 settle: one is at work
#   received ID               receive
#   safety ID                 the backup of the present database
#   rows TABLE COUNT          what was restored
#   down MILLISECONDS         for how long the tracker was stopped
#   started                   its word is awaited on standard input for half a minute: "keep", or "undo WHY"
#   ended ID kept|undone|failed [WHY]      undone: the old database is back; failed: it never went away
here=$(dirname "$(readlink -f "$0")")
# shellcheck source-path=SCRIPTDIR source=common.sh
. "$here/common.sh"
# shellcheck source-path=SCRIPTDIR source=archive.sh
. "$here/archive.sh"
unit=torrust-tracker-restore
state=$folder/.restore
new=$root/$data.restored
old=$root/$data.before-restore
# A file with its log, or a folder that a server has to itself.
parts=(-wal -shm '')
users=(tracker)
[ "$driver" != mysql ] || { parts=(''); users=(tracker mysql); }

step() { echo "$1" >"$state/step"; }

at_work() { systemctl is-active --quiet $unit; }

# The log before the database: without the one the other is not whole, and it is the database that is looked for later.
put_aside() {
  local part
  for part in "${parts[@]}"; do
    [ ! -e "$root/$data$part" ] || mv -T "$root/$data$part" "$old$part"
  done
}

# May be cut off anywhere, and done again.
put_back() {
  local part
  if [ -e "$old" ] || [ -e "$state/placed" ]; then
    for part in "${parts[@]}"; do rm -rf "${root:?}/$data$part"; done
    rm -f "$state/placed"
  fi
  for part in '' -wal -shm; do
    [ ! -e "$old$part" ] || mv -T "$old$part" "$root/$data$part"
  done
}

discard() {
  local path
  for path in "$1" "$1"-wal "$1"-shm "$1".rows; do rm -rf "$path"; done
}

# Starts the stack, and waits until all of it is healthy. What ends again and again will not be.
start_all() {
  local stack rested seen
  compose up --detach || return 1
  mapfile -t stack < <(compose ps --all --quiet)
  mapfile -t rested < <(compose ps --all --quiet "${users[@]}")
  for _ in {1..360}; do
    seen=$(docker inspect --format '{{.State.Status}} {{.State.Health.Status}}' "${stack[@]}" | sort -u)
    [ "$seen" != "running healthy" ] || return 0
    seen=$(docker inspect --format '{{.RestartCount}}' "${rested[@]}" | sort -n | tail -n 1)
    [ "$seen" -lt 3 ] || return 1
    sleep 0.5
  done
  return 1
}

ended() { # ended WORD WHY
  echo "$(cat "$state/id") $*" >"$state/end.new"
  mv "$state/end.new" "$state/end"
}

undo() { # undo WHY
  local was word=failed why=$1
  was=$(cat "$state/step" 2>/dev/null) || was=building
  stop_scratch
  case $was in moving | placed)
    word=undone
    compose stop "${users[@]}"
    put_back
    ;;
  esac
  discard "$new"
  [ ! -e "$state/ran" ] || start_all || why="$why; and the stack does not get healthy again"
  ended $word "$why"
}

# settle [tell]: tell: nobody heard what it said before its end
settle() {
  [ -d "$state" ] || return 0
  if at_work; then
    echo "atwork $(cat "$state/id")"
    return 0
  fi
  if [ ! -e "$state/id" ]; then
    rm -rf "$state"
    return 0
  fi
  if [ ! -e "$state/end" ]; then
    echo "doing mending a restore that was cut off"
    exec 9>>"$root/.lock"
    flock -w 600 9 || fail "a release or run is still at work on this host"
    # The database was whole and in its place, and may have been used since.
    if [ "$(cat "$state/step" 2>/dev/null)" = placed ] && start_all 2>/dev/null; then
      discard "$old"
      ended kept "it was cut off when the stack was about to start; the stack is healthy"
    else
      undo "it was cut off" >/dev/null 2>&1
    fi
    exec 9>&-
  fi
  [ -z "${1:-}" ] || grep -E '^(rows|safety|down) ' "$state/log" || :
  echo "ended $(cat "$state/end")"
  rm -rf "$state"
}

receive() { # receive BYTES SHA256
  local id incoming=$folder/.incoming free
  install -d -m 700 "$folder"
  trap 'rm -f "$folder/.incoming"' EXIT
  free=$(df -k --output=avail "$folder" | tail -n 1)
  [ "$free" -gt $(($1 / 1024)) ] ||
    refuse full "the disk is too full: the archive needs $(mib $(($1 / 1024))) MiB, and $(mib "$free") MiB are free"
  cat >"$incoming"
  [ "$(sha256sum <"$incoming" | cut -c 1-64)" = "$2" ] || fail "the archive did not arrive as it was sent"
  gzip -t <"$incoming" 2>/dev/null || refuse invalid "the archive is damaged: its own checksum does not fit"
  about=$(about_of "$incoming") || refuse invalid "it is no backup of this program: nothing in it says what it is of"
  id=$(is id)
  [[ $id =~ ^[0-9]{8}T[0-9]{6}Z-[0-9]+$ ]] || refuse invalid "it is no backup of this program: its name is $id"
  if [ -e "$folder/$id.tar.gz" ]; then
    cmp -s "$incoming" "$folder/$id.tar.gz" || refuse invalid "the host has another archive that is called $id"
  fi
  echo "$2  $id.tar.gz" >"$folder/$id.tar.gz.sha256"
  sync -f "$folder"
  mv "$incoming" "$folder/$id.tar.gz"
  echo "received $id"
}

check() { # check ID [foreign]
  local live=0
  examine "$@"
  [ ! -e "$root/$data" ] || live=$(du -sk "$root/$data" | cut -f 1)
  # The safety copy and its archive.
  room $((2 * live)) "the restore"
  rows_in_archive
}

begin() { # begin ID [unsaved]
  mkdir "$state" 2>/dev/null || refuse busy "another restore is at work on this host"
  echo "$1" >"$state/id"
  : >"$state/log"
  cp -r "$here" "$state/tools"
  systemd-run --quiet --collect --unit=$unit bash "$state/tools/restore.sh" work "$@" </dev/null
  follow
}

follow() {
  local process
  # Where the input ends, whoever listened is gone: how it ended is for the next one to hear.
  (while read -r word why; do echo "$word $why" >"$state/verdict"; done; kill $$) <&0 &
  process=$(systemctl show --property MainPID --value $unit)
  if [ "$process" -gt 0 ]; then
    tail -n +1 -f -s 0.1 --pid="$process" "$state/log"
  else
    cat "$state/log"
  fi
  kill $! 2>/dev/null || :
  until ! at_work; do sleep 0.1; done
  settle
}

# The first complaint is the reason; what comes after it follows from it.
leave() {
  local status=$? why
  trap - EXIT
  set +e
  if [ "$status" -ne 0 ]; then
    why=$(grep -vE '\[Warning\]|^ ?(Container|Network) ' "$state/said" | head -n 3 | tr '\n' ' ')
    undo "${why:-it was stopped}"
  fi
}

# The database in its new place, and the stack with it.
change() {
  local unsaved=$1 began made
  began=$(date +%s%N)
  echo "doing stopping the tracker"
  step stopped
  compose stop tracker
  if [ -e "$root/$data" ] && [ -z "$unsaved" ]; then
    echo "doing making a backup of the present database"
    [ "$driver" != mysql ] || compose up --detach --wait mysql
    made=$(bash "$here/backup.sh" create held | sed -n 's/^made \([^ ]*\) .*/\1/p')
    echo "safety $made"
  fi
  echo "doing putting the database in its place"
  compose stop "${users[@]}"
  step moving
  put_aside
  touch "$state/placed"
  mv -T "$new" "$root/$data"
  sync -f "$root"
  step placed
  echo "doing starting the stack"
  start_all || fail "the stack does not get healthy with it: $(unhealthy)"
  echo "down $((($(date +%s%N) - began) / 1000000))"
}

# The containers that are not well, and the last words of the tracker.
unhealthy() {
  compose ps --all --quiet | xargs docker inspect --format '{{.Name}} {{.State.Status}} {{.State.Health.Status}};' |
    grep -v 'running healthy' | tr '\n' ' '
  compose logs --no-color --no-log-prefix --tail 3 tracker 2>&1 | tr '\n' ' '
}

verdict() {
  local tries word=keep why=''
  echo started
  for tries in {1..300}; do
    [ ! -e "$state/verdict" ] || break
    sleep 0.1
  done
  [ "$tries" -lt 300 ] || echo "doing nobody objected within half a minute"
  [ ! -e "$state/verdict" ] || read -r word why <"$state/verdict"
  [ "$word" = keep ] || fail "$why"
}

work() { # work ID [unsaved]
  exec >>"$state/log" 2>>"$state/said"
  trap leave EXIT
  trap 'exit 143' TERM INT HUP
  step building
  exec 9>>"$root/.lock"
  flock -n 9 || { echo "doing waiting for a release or run on this host"; flock -w 600 9 || fail "it is still at work"; }
  [ -z "$(compose ps --quiet --status running tracker)" ] || touch "$state/ran"
  # It would be taken for the one that this restore puts aside.
  [ ! -e "$old" ] || fail "an older database lies at $old: look at it, and move it away"
  examine "$1" foreign
  build "$new"
  echo "$rows"
  change "${2:-}"
  verdict
  discard "$old"
  ended kept
}

case ${1:-} in
  settle) settle tell ;;
  receive | check | begin | follow | work) "$@" ;;
  *) sed -n '3,10s/# //p' "$0" >&2; exit 2 ;;
esac
