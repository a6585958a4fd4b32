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
#   atwork ID SHA256          settle: one is at work, from the archive with that checksum
#   earlier TIME ID kept|... [WHY]         settle: one is over, which nobody heard of; as `ended`
#   received ID               receive
#   safety ID                 the backup of the present database
#   rows TABLE COUNT          what was restored
#   added TABLE               the tracker in place needs it, and the archive has it not
#   down MILLISECONDS         for how long the tracker was stopped
#   started                   its word is awaited on standard input for half a minute: "keep", or "undo WHY"
#   ended ID kept|undone|failed|unsaved [WHY]    undone: the old database is back; failed: it never went away; unsaved: as it
#                             could not be copied
#
# `step` in its state is how far it is. Whatever it was cut off at, it is known from there what is whose:
#   building, stopped, saving   the old database is in its place
#   moving                      they change places, and the stack is stopped
#   placed                      the new one is in its place, whole; the old one beside it, too
#   keeping                     the new one it is; the old one goes
#   undoing                     the old one it is, and comes back
here=$(dirname "$(readlink -f "$0")")
# shellcheck source-path=SCRIPTDIR source=common.sh
. "$here/common.sh"
# shellcheck source-path=SCRIPTDIR source=tables.sh
. "$here/tables.sh"
# shellcheck source-path=SCRIPTDIR source=archive.sh
. "$here/archive.sh"
unit=torrust-tracker-restore
state=$folder/.restore
# While it is there, the database may be half of two: who would start the stack with it, or copy it, looks for it.
half=$root/.half-restored
new=$root/$data.restored
old=$root/$data.before-restore
# The same in the database's folder, for at_data.
name=./${data##*/}
# A database with its logs. One of those beside another database would be played into it.
logs=(-journal -wal -shm)
users=(tracker)
[ -z "$server" ] || users=(tracker "$server")

# Is there whole after a power cut, or not at all: what becomes of the database depends on it.
note() { # note NAME TEXT
  echo "$2" >"$state/$1.new" && sync "$state/$1.new" && mv "$state/$1.new" "$state/$1" && sync "$state"
}

step() { note step "$1"; }

noted() { cat "$state/$1" 2>/dev/null || :; }

# Also one that was told to end, and undoes what it did.
at_work() {
  case $(systemctl is-active $unit) in active | activating | deactivating) ;; *) return 1 ;; esac
}

# The logs before the database: without the one the other is not whole, and it is the database that is looked for later.
put_aside() {
  local part
  for part in "${logs[@]}" ''; do
    [ ! -e "$root/$data$part" ] || at_data mv -T "$name$part" "$name.before-restore$part"
  done
  to_disk
}

# May be cut off anywhere, and done again: once neither of the two is there, the new one is no longer in its place.
put_back() {
  local part
  if [ -e "$old" ] || [ -e "$state/placed" ]; then
    for part in "${logs[@]}" ''; do at_data rm -rf "$name$part" || return; done
    rm -f "$state/placed" && sync "$state" || return
  fi
  for part in '' "${logs[@]}"; do
    [ ! -e "$old$part" ] || at_data mv -T "$name.before-restore$part" "$name$part" || return
  done
  to_disk
}

# What was done to the database, before it is noted: the note may be on another disk.
to_disk() { at_data sync -f .; }

# discard restored|before-restore
discard() { at_data rm -rf "$name.$1" "$name.$1.rows" "${logs[@]/#/$name.$1}"; }

# Starts the stack, and waits until all of it is healthy. What ends again and again will not be.
start_all() {
  local stack rested seen
  compose up --detach --pull never || return 1
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

ended() { # ended WORD [WHY]
  rm -f "$half" && note end "$(noted id) $*"
}

# The old one is given up only once it is said that it will not be wanted back.
keep() { # keep [WHY]
  step keeping && discard before-restore && ended kept "$@"
}

# As put_back, it may be cut off and done again. Where it cannot be done, it has no end, and is done when one looks for it.
undo() { # undo WHY
  local was word=failed why=$1
  was=$(noted step)
  stop_scratch
  discard restored
  case $was in
    keeping) return ;;
    saving) word=unsaved ;;
    moving | placed | undoing)
      word=undone
      # Nothing is moved beneath who uses it.
      step undoing && compose stop "${users[@]}" && put_back || return
      ;;
  esac
  # Before the tracker was stopped there was nothing to start: what was released and never run is not for us to run.
  case $was in '' | building) ;; *)
    [ ! -e "$state/ran" ] || start_all || why="$why; and the stack does not get healthy again"
    ;;
  esac
  ended $word "$why"
}

# Ends one that was cut off, in the way that it was going.
mend() {
  case "$(noted step) $(noted verdict)" in
    keeping*) keep "it was cut off when it was as good as over" ;;
    "placed undo"*) undo "it was cut off" ;;
    # The database was whole and in its place, and may have been used since.
    placed*)
      if start_all; then
        keep "it was cut off when the stack was about to start; the stack is healthy"
      else
        undo "it was cut off"
      fi
      ;;
    *) undo "it was cut off" ;;
  esac
}

settle() { # settle ended|earlier: what its end is told as
  [ -d "$state" ] || return 0
  if at_work; then
    echo "atwork $(noted id) $(cut -c 1-64 "$folder/$(noted id).tar.gz.sha256" 2>/dev/null)"
    return 0
  fi
  if [ ! -e "$state/end" ]; then
    exec 9>>"$root/.lock"
    await "a release or run" 9
    exec 8>>"$folder/.lock"
    await "a backup" 8
    # Meanwhile it may have come to it.
    if [ ! -e "$state/end" ]; then
      [ -d "$state" ] || return 0
      echo "doing mending a restore that was cut off"
      set +e
      mend >/dev/null 2>>"$state/said"
      set -e
      [ -e "$state/end" ] || fail "the restore that was cut off cannot be undone: $(tail -n 1 "$state/said")"
    fi
    exec 8>&- 9>&-
  fi
  case $1 in
    ended) echo "ended $(noted end)" ;;
    earlier)
      grep '^safety ' "$state/log" || :
      echo "earlier $(date -u -r "$state/end" +%FT%TZ) $(noted end)"
      ;;
  esac
  forget
}

# At once, as what is left of it must not look like one that was cut off.
forget() {
  rm -rf "$half" "$state.over"
  mv -T "$state" "$state.over"
  rm -rf "$state.over"
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
  believe it
  id=$(is id)
  # Another tracker may have made one at the same moment.
  cmp -s "$incoming" "$folder/$id.tar.gz" || id=$id-${2:0:12}
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
  local prepared=$state.begun
  rm -rf "$prepared"
  mkdir "$prepared"
  echo "$1" >"$prepared/id"
  : >"$prepared/log"
  cp -r "$here" "$prepared/tools"
  sync -f "$prepared"
  mv -T "$prepared" "$state" 2>/dev/null || { rm -rf "$prepared"; refuse busy "another restore is at work on this host"; }
  # A shutdown waits for it, and Docker's end, too: it must be able to undo what it did.
  systemd-run --quiet --collect --unit=$unit --property=TimeoutStopSec=30min --property=After=docker.service \
    --property=ProtectSystem=full --property=PrivateTmp=yes --property=NoNewPrivileges=yes \
    bash "$state/tools/restore.sh" work "$@" </dev/null
  follow
}

follow() {
  local process
  # Where the input ends, whoever listened is gone: how it ended is for the next one to hear.
  (while read -r word why; do note verdict "$word $why"; done; kill $$) <&0 &
  process=$(systemctl show --property MainPID --value $unit)
  if [ "$process" -gt 0 ]; then
    tail -n +1 -f -s 0.1 --pid="$process" "$state/log"
  else
    cat "$state/log"
  fi
  kill $! 2>/dev/null || :
  until ! at_work; do sleep 0.1; done
  settle ended
}

# The first complaint is the reason; what comes after it follows from it.
leave() {
  local status=$? why
  trap - EXIT
  # Who wants us gone waits until it is undone.
  trap '' TERM INT HUP
  set +e
  if [ "$status" -ne 0 ]; then
    why=$(grep -vE '\[Warning\]|^ ?(Container|Network) ' "$state/said" | head -n 3 | tr '\n' ' ')
    undo "${why:-it was stopped}"
  fi
}

# The database in its new place, and the stack with it.
change() {
  local unsaved=$1 began made
  exec 8>"$folder/.lock"
  await "a backup" 8
  began=$(date +%s%N)
  echo "doing stopping the tracker"
  step stopped
  compose stop tracker
  if [ -e "$root/$data" ] && [ -z "$unsaved" ]; then
    echo "doing making a backup of the present database"
    step saving
    [ -z "$server" ] || compose up --detach --wait --pull never "$server"
    made=$(bash "$here/backup.sh" create held | sed -n 's/^made \([^ ]*\) .*/\1/p')
    echo "safety $made"
    step stopped
  fi
  echo "doing putting the database in its place"
  compose stop "${users[@]}"
  noted id >"$half"
  sync "$half" "$root"
  step moving
  put_aside
  note placed ''
  at_data mv -T "$name.restored" "$name"
  to_disk
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
  await "a release or run" 9
  [ -z "$(compose ps --quiet --status running tracker)" ] || touch "$state/ran"
  # It would be taken for the one that this restore puts aside.
  [ ! -e "$old" ] || fail "an older database lies at $old: look at it, and move it away"
  examine "$1" foreign
  build "$new"
  echo "$rows"
  change "${2:-}"
  verdict
  keep
}

case ${1:-} in
  settle) settle earlier ;;
  receive | check | begin | follow | work) "$@" ;;
  *) sed -n '3,10s/# //p' "$0" >&2; exit 2 ;;
esac
