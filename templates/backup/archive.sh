# shellcheck shell=bash disable=SC2154
# What can be done with a backup's archive; sourced by restore.sh and verify.sh, after common.sh and tables.sh.

# Says of an archive what must hold before anything is touched: whole, of ours, of this environment, of this driver.
# examine ID [foreign]: sets $archive and $about
examine() {
  [[ $1 =~ $id_pattern ]] || fail "there is no backup $1 on this host"
  archive=$folder/$1.tar.gz
  [ -f "$archive" ] || fail "there is no backup $1 on this host"
  [ "$(cut -c 1-64 "$archive.sha256")" = "$(sha256sum <"$archive" | cut -c 1-64)" ] ||
    refuse invalid "the backup $1 is damaged: it has another checksum than when it was made"
  about=$(about_of "$archive") || refuse invalid "$1 is no backup of this program: nothing in it says what it is of"
  believe "the backup $1"
  [ "$(is environment)" = "$environment" ] || [ "${2:-}" = foreign ] ||
    refuse invalid "the backup $1 is of the environment $(is environment), not of $environment"
  [ "$(is driver)" = "$driver" ] ||
    refuse invalid "the backup $1 is of a $(is driver) database, and $environment has a $driver one"
}

# The first file; the rest need not be unpacked for it. What is no archive has none.
about_of() {
  local said
  said=$(tar -xzO --occurrence=1 -f "$1" about 2>/dev/null | bounded 1000000 2>/dev/null) || return
  grep -qx format=1 <<<"$said" && echo "$said"
}

# bounded BYTES: passes standard input on, and fails where it is longer.
bounded() {
  head -c "$1"
  [ "$(head -c 1 | wc -c)" -eq 0 ] || fail "the archive holds more than it says"
}

# The archive's database, or dump. The room that was looked for is what the archive says that it takes.
unpack() { tar -xzO --occurrence=1 -f "$archive" "$(is path)" | bounded "$(is bytes)"; }

# When it was made, and of which release; of one that was brought here, the beginning of its checksum, too.
id_pattern='^[0-9]{8}T[0-9]{6}Z-[0-9]+(-[0-9a-f]{12})?$'

# What somebody else's archive says becomes numbers and words of commands here: believe WHAT
believe() {
  local name pattern
  while read -r name pattern; do
    [[ $(is "$name") =~ ^($pattern)$ ]] || refuse invalid "$1 is no backup of this program: its $name is none"
  done <<'END'
environment [a-z][a-z0-9]*(-[a-z0-9]+)*
id [0-9]{8}T[0-9]{6}Z-[0-9]+
driver sqlite3|mysql|postgresql
path storage/(mysql|postgresql)/dump\.sql|storage/tracker/lib/database/[^/]+
bytes 0|[1-9][0-9]{0,14}
END
}

# is NAME: what `about` says
is() { sed -n "s/^$1=//p" <<<"$about"; }

# What must be in the tables: "rows TABLE COUNT" each.
rows_in_archive() { is rows | sed 's/^/rows /'; }

# room KIB WHAT: there must be as much as the archive's database takes, and KIB more. Where database and backups lie on two
# disks, each must have it.
room() {
  local needed free
  needed=$(($(is bytes) / 1024 + $1))
  # Besides its tables, a server has its own, its logs, and their like.
  [ -z "$server" ] || needed=$((needed + $(is bytes) / 1024 + 300 * 1024))
  free=$(df -k --output=avail "$folder" "$root/storage" | tail -n +2 | sort -n | head -n 1)
  [ "$free" -gt "$needed" ] || refuse full "the disk is too full: $2 needs $(mib $needed) MiB, and $(mib "$free") MiB are free"
}

# build PATH: makes a database from the archive, in the folder of at_data; sets $rows, which must be the archive's. Then it gets
# the table that the tracker in place needs.
build() {
  echo "doing building the database from the archive"
  make_place
  at_data rm -rf "./${1##*/}"
  added=''
  if [ -z "$server" ]; then build_file "$1"; else build_server "$1"; fi
  rows=$(rows_at "$1")
  [ "$rows" = "$(rows_in_archive)" ] ||
    fail "the archive does not hold what it says: $(diff <(rows_in_archive) <(echo "$rows") | sed -n 's/^< /says /p; s/^> /has /p' | tr '\n' ' ')"
  [ "$driver" != sqlite3 ] || complete sqlite3 "$1" "$keeper"
  [ -z "$added" ] || echo "added $added"
}

# complete DRIVER WHERE...: adds the table of newer trackers to a database of release 3.0.0, where one of them is to use it.
complete() {
  local found
  needs_fourth || return 0
  found=$("tables_$1" "${@:2}")
  [ "$(judge <<<"$found")" = three ] || return 0
  "add_$1" "${@:2}" >/dev/null
  added=$fourth
}

# Whether the tracker in place is a newer one: its configuration says so, or the database that it works with.
needs_fourth() {
  local found
  ! newer_in_place || return 0
  case $driver in
    sqlite3) found=$(tables_sqlite3 "$root/$data" "$owner" 2>/dev/null) || return 1 ;;
    mysql) found=$(tables_mysql at_server 2>/dev/null) || return 1 ;;
    *) return 1 ;;
  esac
  grep -qx "table $fourth" <<<"$found"
}

# A tracker that never ran has no folder for its database yet.
make_place() {
  [ -z "$inside" ] || [ -e "$root/$mounted$inside" ] || (cd "$root/$mounted" && as_user "$keeper" mkdir -m 750 ".$inside")
}

# The file is made, never opened: something else may have got its name.
build_file() {
  # shellcheck disable=SC2016
  unpack | at_data sh -c 'umask 027; exec dd of="$1" conv=excl bs=1M status=none' - "./${1##*/}"
}

# A server of its own, which nobody but us reaches, fills a data folder of its own.
build_server() {
  install -d -o "$owner" -g "$owner" -m 750 "$1"
  start_scratch "$1"
  unpack | "load_$server" docker exec -i "$scratch"
  "count_$server" docker exec "$scratch" >"$1.rows"
  [ "$driver" != mysql ] || complete mysql docker exec "$scratch"
  # Its end must be a clean one: what is left of its log then is of no use to anybody.
  docker stop -t 120 "$scratch" >/dev/null
  stop_scratch
}

load_mysql() { "$@" mysql "$client"; }
load_postgresql() { "$@" "${psql[@]}" --single-transaction --output=/dev/null; }

rows_at() {
  if [ -z "$server" ]; then
    at_data python3 -I - --check "./${1##*/}" <"$here/rows.py"
  else
    cat "$1.rows"
    rm "$1.rows"
  fi
}

# Each caller has one of its own: a drill goes on beside a restore.
scratch=torrust-scratch-$(basename "$0" .sh)
stop_scratch() { docker rm --force --volumes "$scratch" >/dev/null 2>&1 || :; }

start_scratch() {
  local inside settings=/etc/torrust/$server from=$root/storage/$server/etc tries=0
  case $server in mysql) inside=/var/lib/mysql ;; postgresql) inside=/var/lib/postgresql/data ;; esac
  if [ -n "$external" ]; then
    from=$root/database/scratch
  else
    image=$(compose config --format json | python3 -c 'import json, sys; print(json.load(sys.stdin)["services"][sys.argv[1]]["image"])' "$server")
  fi
  stop_scratch
  docker run --detach --pull never --name "$scratch" --network none --user "$owner:$owner" --cap-drop ALL --read-only --tmpfs /tmp \
    --memory 768m --volume "$1:$inside" --volume "$from:$settings:ro" "$image" \
    sh "$settings/start.sh" >/dev/null
  until "ask_$server" docker exec "$scratch" >/dev/null 2>&1; do
    tries=$((tries + 1))
    [ "$(docker inspect --format '{{.State.Running}}' "$scratch")" = true ] && [ $tries -lt 480 ] ||
      fail "the scratch server does not start: $(docker logs --tail 3 "$scratch" 2>&1 | tr '\n' ' ')"
    sleep 0.25
  done
}
