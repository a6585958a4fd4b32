# shellcheck shell=bash disable=SC2034,SC2154
# What the programs in this folder share: they say in $here where it is, and source this.
set -euo pipefail
# Otherwise a failure in $(...) would go unnoticed, and half a copy be taken for a good one.
shopt -s inherit_errexit
umask 077
root=/opt/torrust
folder=$root/storage/backup
environment='' driver='' data='' owner='' database='' retention_days='' external='' image=''
# shellcheck source=/dev/null
. "$here/settings"

fail() { echo "$*" >&2; exit 1; }

# refuse WORD TEXT: fails, with a word for programs: full, busy, invalid, foreign, none, half ID.
refuse() {
  echo "refused $1"
  fail "$2"
}

# await WHO [-s] FD: waits for the lock that the file at FD is. Of the two, $root/.lock comes before $folder/.lock.
await() {
  flock -n "${@:2}" && return
  echo "doing waiting for $1 on this host"
  flock -w 600 "${@:2}" || fail "$1 is still at work on this host"
}

# The containers keep the name that an older release gave them until the next run.
project=''
find_project() {
  [ -z "$project" ] || return 0
  project=$(docker ps --all --filter "label=com.docker.compose.project.working_dir=$root" \
    --format '{{.Label "com.docker.compose.project"}}' 2>/dev/null | sort -u | head -n 1) || :
  project=${project:-$(sed -n 's/^name: *//p' "$root/docker-compose.yml" 2>/dev/null || :)}
}

compose() {
  find_project
  docker compose ${project:+--project-name "$project"} --project-directory "$root" "$@" </dev/null
}

# as_user UID COMMAND...: root becomes that user first. Whoever owns a folder can put a link in it, which root must not follow.
as_user() {
  if [ "$1" = 0 ] || [ "$(id -u)" != 0 ]; then "${@:2}"; else setpriv --reuid "$1" --regid "$1" --clear-groups -- "${@:2}"; fi
}

# sqlite UID PROGRAM ARGUMENT...: runs a Python program of this folder, which that user may not read. SQLite creates files
# next to a database that it opens; a tracker could not open those of root.
sqlite() { as_user "$1" python3 -I - "${@:3}" <"$here/$2"; }

# Where the database is: $mounted is root's, and below it $inside is $keeper's, who can exchange it for a link at any time.
case $driver in
  sqlite3) mounted=storage/tracker/lib inside=/database keeper=$owner ;;
  *) mounted=$(dirname "$data") inside='' keeper=0 ;;
esac

# at_data COMMAND...: runs it in the database's folder, as whoever owns that. Without a folder in the names of its arguments, no
# link leads elsewhere. A process stays in its folder, whatever the folder's name comes to be.
at_data() (
  place=$(realpath -e "$root/$mounted")$inside
  { cd -P "$place" && [ "$(/bin/pwd -P)" = "$place" ]; } || fail "$place is not the database's folder any more"
  as_user "$keeper" "$@"
)

mib() { echo $((($1 + 1023) / 1024)); }

# The server is asked as the tracker's user is.
client="--defaults-file=/etc/torrust/mysql/client.cnf"
pg_client=(sh /etc/torrust/postgresql/client.sh)
psql=("${pg_client[@]}" psql --no-psqlrc --no-password --quiet --tuples-only --no-align --set=ON_ERROR_STOP=1)

# The service that the database is in. SQLite has none.
server=''
[ "$driver" = sqlite3 ] || server=$driver

# Runs a client that reaches the server. A server of the user's is reached from the tracker's network, by a client in a
# container of its own, which is gone when it ends.
at_server() {
  if [ -z "$external" ]; then
    compose exec -T "$server" "$@"
  else
    find_project
    docker run --rm --pull never --network "${project}_tracker" --label org.torrust.deployer=look --user 0:0 --cap-drop ALL \
      --security-opt no-new-privileges --read-only --tmpfs /tmp --memory 512m \
      --volume "$root/database:/etc/torrust/$server:ro" --entrypoint env "$image" "$@" </dev/null
  fi
}

# Whether the tracker in place reads a configuration of schema 3: then it has opened the database, or refused it.
newer_in_place() { timeout 10 grep -qE '^[^#]*schema_version *= *"3\.' "$root/storage/tracker/etc/tracker.toml" 2>/dev/null; }

# Each of these runs a client behind the command that reaches the server's container, such as: count_mysql docker exec NAME

ask_mysql() { "$@" mysql "$client" --execute 'SELECT 1' </dev/null; }
ask_postgresql() { "$@" "${psql[@]}" --command='SELECT 1' </dev/null; }

# How many KiB the tables take.
size_mysql() {
  "$@" mysql "$client" --skip-column-names --execute 'SELECT COALESCE(SUM(data_length + index_length), 0) DIV 1024
    FROM information_schema.tables WHERE table_schema = DATABASE()' </dev/null
}
size_postgresql() { "$@" "${psql[@]}" --command='SELECT pg_database_size(current_database()) / 1024' </dev/null; }

# "rows TABLE COUNT" of each table, sorted by bytes as rows.py does.
count_mysql() {
  local table
  "$@" mysql "$client" --skip-column-names --execute 'SHOW TABLES' </dev/null | LC_ALL=C sort | while read -r table; do
    "$@" mysql "$client" --skip-column-names --execute "SELECT CONCAT('rows ', '$table', ' ', COUNT(*)) FROM \`$table\`" </dev/null
  done
}

count_postgresql() {
  local table count
  "$@" "${psql[@]}" --command="SELECT format('%I.%I', nspname, relname) FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace
    WHERE relkind = 'r' AND relpersistence <> 't' AND nspname NOT IN ('pg_catalog', 'information_schema')" </dev/null |
    while read -r table; do
      count=$("$@" "${psql[@]}" --command="SELECT count(*) FROM $table" </dev/null)
      echo "rows ${table#public.} $count"
    done | LC_ALL=C sort
}

# After a power cut the timer makes up for what was missed while the server still starts.
wait_for_server() {
  local tries=0
  if [ -n "$external" ]; then
    "ask_$server" at_server >/dev/null 2>&1 || fail "the external database does not answer: $(python3 "$root/database/look.py" | tail -n 1)"
    return
  fi
  until "ask_$server" at_server >/dev/null 2>&1; do
    tries=$((tries + 1))
    [ $tries -lt 120 ] || fail "$server does not answer: $("ask_$server" at_server 2>&1 | tail -n 1)"
    sleep 1
  done
}

[ -e "$root/releases/current" ] || refuse none "nothing is released on this host"
# A host that was given up has no name any more, and still its data.
host_of=$(cat "$root/environment" 2>/dev/null || echo "$environment")
[ "$host_of" = "$environment" ] || refuse foreign "the host has a release of the environment $host_of"
