# shellcheck shell=bash disable=SC2034,SC2154
# Which of the tracker's tables a database has, and the one that release 3.0.0 does not make; sourced after common.sh.
#
# Release 3.0.0 makes keys, torrents and whitelist. Newer trackers refuse to start with these three alone. With a fourth,
# empty one they start, and so does 3.0.0.
fourth=torrent_aggregate_metrics

# tables_sqlite3 PATH UID, tables_mysql COMMAND...: prints "table NAME" of each table that a tracker makes, and "strict" where
# keys.valid_until may not be NULL. COMMAND comes before `mysql`, as with count_mysql.
tables_sqlite3() { sqlite "$2" upgrade-sqlite.py look "$1"; }

tables_mysql() {
  query_mysql "SELECT CONCAT('table ', table_name) FROM information_schema.tables WHERE table_schema = DATABASE()
    AND table_name IN ('keys', 'torrents', 'whitelist', '$fourth', '_sqlx_migrations');
    SELECT 'strict' FROM information_schema.columns WHERE table_schema = DATABASE()
    AND table_name = 'keys' AND column_name = 'valid_until' AND is_nullable = 'NO'" "$@"
}

# query_mysql SQL COMMAND...
query_mysql() { "${@:2}" mysql "$client" --skip-column-names --execute "$1" </dev/null; }

# judge: what those on standard input are: none, three, whole, or partial and their names.
judge() {
  local found
  found=$(sed -n 's/^table //p' | LC_ALL=C sort | tr '\n' ' ')
  case $found in
    '') echo none ;;
    # A newer tracker has opened it, and knows by this table what is still to be done.
    *_sqlx_migrations* | "keys $fourth torrents whitelist ") echo whole ;;
    'keys torrents whitelist ') echo three ;;
    *) echo "partial ${found% }" ;;
  esac
}

# add_sqlite3 PATH UID, add_mysql COMMAND...: makes the table; prints "before TABLE COUNT" and "after TABLE COUNT" of each.
add_sqlite3() { sqlite "$2" upgrade-sqlite.py add "$1"; }

add_mysql() {
  local before after
  before=$(count_mysql "$@")
  query_mysql "CREATE TABLE IF NOT EXISTS $fourth (
    id INTEGER PRIMARY KEY AUTO_INCREMENT, metric_name VARCHAR(50) NOT NULL UNIQUE, value INTEGER NOT NULL DEFAULT 0)" "$@"
  after=$(count_mysql "$@")
  printf '%s\n' "${before//rows /before }" "${after//rows /after }"
}
