#!/bin/sh
# Starts the database server, and creates its data the first time. The image's own set-up is not used: it knows only the
# first start, so a changed password would have no effect, and an interrupted first start would stay half done.
set -eu
folder=/var/lib/postgresql/data
settings=/etc/torrust/postgresql
# A folder of its own, so that it appears in one step, complete.
data=$folder/cluster
unfinished=$folder/cluster.unfinished

fail() { echo "FATAL:  $*" >&2; exit 1; }

# Process 1 has no default handlers: without these a stop in the first second would wait for the whole grace period.
trap 'exit 130' INT TERM

id -un >/dev/null 2>&1 ||
  fail "this image has no user $(id -u), as the Debian variants of the official image have: set images.postgresql to postgres:17"

if [ -e "$data" ] && ! { [ -r "$data" ] && [ -x "$data" ]; }; then
  fail "user $(id -u) cannot read storage/postgresql/data/cluster. Nothing was changed. Give it back: chown -R $(id -u):$(id -g) /opt/torrust/storage/postgresql/data"
fi

if [ ! -e "$data/PG_VERSION" ]; then
  # What an interrupted first start left behind. The server never accepted a connection, so it holds no data.
  rm -rf "${unfinished:?}"
  there=$(find "$folder" -mindepth 1 -maxdepth 1 ! -name lost+found | head -n 1)
  [ -z "$there" ] ||
    fail "storage/postgresql/data is not empty and holds no PostgreSQL data of ours: it has ${there##*/}. Nothing was changed. Move it away, or put back what is missing"
  # Sorted by bytes: another C library cannot change the order, which would break indexes.
  initdb --pgdata="$unfinished" --username=postgres --encoding=UTF8 --locale=C --data-checksums --auth=reject >/dev/null
  mv -T "$unfinished" "$data"
  sync -f "$folder"
fi

made_by=$(cat "$data/PG_VERSION")
version=$(postgres --version | sed 's/^[^0-9]*\([0-9]*\).*/\1/')
[ "$made_by" = "$version" ] ||
  fail "the database was created by PostgreSQL $made_by, and this image is PostgreSQL $version, which cannot read it. Nothing was changed. Set images.postgresql back to version $made_by"

# A server that accepts connections from this container alone, for as long as the accounts are updated.
stop() { pg_ctl stop --pgdata="$data" --mode=fast --timeout=86400 --silent; }
pg_ctl start --pgdata="$data" --timeout=86400 --silent --options="-c config_file=$settings/postgresql.conf -c listen_addresses='' -c log_min_messages=fatal" ||
  fail "the server does not start"
trap stop EXIT
administrator() {
  sh "$settings/client.sh" env PGHOST=/tmp PGUSER=postgres "$@" --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --set=VERBOSITY=terse --output=/dev/null
}
administrator psql --dbname=postgres --file="$settings/accounts.sql"
administrator psql --file="$settings/tables.sql"
trap - EXIT
stop

exec postgres -D "$data" -c config_file="$settings/postgresql.conf"
