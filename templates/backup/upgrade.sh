#!/bin/bash
# Adds to a database of tracker release 3.0.0 the table that newer trackers need, as root.   usage: upgrade.sh look|add
#
# A database that has all tables, or none, is left alone, and so is every other table in it. add: makes a backup first, which
# stays until somebody removes it. Cut off anywhere, it can be run again. It says:
#   doing TEXT
#   unchanged WHY             there is nothing to add
#   missing TABLE             look: add would add it
#   unknown WHY               it cannot be told: the external server does not answer; look: without starting the server
#   backup ID                 of the database before
#   before TABLE COUNT, after TABLE COUNT
#   added TABLE
#   strict                    keys.valid_until may not be NULL, as in databases from before 2024-07-30
#   refused partial           the tracker's tables are neither all there nor those of release 3.0.0
here=$(dirname "$(readlink -f "$0")")
# shellcheck source-path=SCRIPTDIR source=common.sh
. "$here/common.sh"
# shellcheck source-path=SCRIPTDIR source=tables.sh
. "$here/tables.sh"
started=''

# A server that was stopped is stopped again: whether the stack is to run is not decided here.
end() { [ -z "$started" ] || compose stop mysql >/dev/null 2>&1 || :; }

unchanged() {
  echo "unchanged $1"
  exit 0
}

# Nothing is made where nothing is: an empty folder is not a server's yet.
need_database() {
  local there=$root/$data
  # A server of the user's is asked with what a release has put here.
  if [ -n "$external" ]; then
    [ -e "$root/database/server.json" ] || unchanged "no release has used the external database yet"
    return
  fi
  [ "$driver" != mysql ] || there=$there/mysql.ibd
  [ -e "$there" ] || unchanged "there is no database yet"
}

# The server must run to be asked.
need_server() {
  if [ -n "$external" ]; then
    ! "ask_$server" at_server >/dev/null 2>&1 || return 0
    ! newer_in_place || unchanged "the tracker in place is a newer one, and the external database does not answer"
    # Nor must a server of the user's: the tracker says itself whether it can work with the database.
    echo "unknown $(python3 "$root/database/look.py" | tail -n 1)"
    exit 0
  fi
  # A server that does not start must not stand in the way of the release, or the rollback, that repairs it.
  if newer_in_place && ! ask_mysql at_server >/dev/null 2>&1; then
    unchanged "the tracker in place is a newer one, and the database server does not answer"
  fi
  [ -z "$(compose ps --quiet --status running mysql)" ] || { wait_for_server; return; }
  compose config --services | grep -qx mysql || unchanged "the release in place has no database server"
  if [ "$action" = look ]; then
    echo "unknown the database server does not run"
    exit 0
  fi
  echo "doing starting the database server"
  started=yes
  compose up --detach --wait --pull never --wait-timeout 300 mysql >&2
}

back_up() {
  local said id
  echo "doing making a backup before the upgrade"
  install -d -m 700 "$folder"
  exec 8>>"$folder/.lock"
  await "a backup" 8
  said=$(bash "$here/backup.sh" create held) || { grep '^refused ' <<<"$said"; exit 1; }
  id=$(sed -n 's/^made \([^ ]*\) .*/\1/p' <<<"$said")
  # Those of every day may be gone before somebody wants the old tracker back.
  : >"$folder/$id.tar.gz.keep"
  exec 8>&-
  echo "backup $id"
}

upgrade() {
  local tables=() found state half
  exec 9>>"$root/.lock"
  await "a release or run" 9
  half=$(cat "$root/.half-restored" 2>/dev/null) && refuse "half $half" "a restore of $half was cut off on this host"
  case $driver in
    sqlite3) need_database; tables=("$root/$data" "$owner") ;;
    mysql) need_database; need_server; tables=(at_server) ;;
    *) unchanged "$driver databases are made by newer trackers" ;;
  esac
  found=$("tables_$driver" "${tables[@]}")
  ! grep -qx strict <<<"$found" || echo strict
  state=$(judge <<<"$found")
  case $state in
    none) unchanged "the database is empty" ;;
    whole) unchanged "the database has all tables" ;;
    partial*) refuse partial "the tracker's database has only ${state#partial }, and no newer tracker starts with that" ;;
  esac
  if [ "$action" = look ]; then
    echo "missing $fourth"
    return
  fi
  back_up
  echo "doing adding the table $fourth"
  "add_$driver" "${tables[@]}"
  echo "added $fourth"
}

case $* in
  look | add) action=$1 ;;
  *) sed -n '2s/# //p' "$0" >&2; exit 2 ;;
esac
trap end EXIT
upgrade
