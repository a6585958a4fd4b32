# shellcheck shell=bash
# Part of a host check: makes a backup and reads it back. $1: sqlite3 or mysql; $2: the database's path in the archive.
# The line at its end says what was in it.
set -euo pipefail
made=$(backup/backup.sh create | sed -n 's/^\([0-9TZ-]*\.tar\.gz\): .*/\1/p')
[ -n "$made" ] || { echo "no archive was made"; exit 100; }
copy=$(mktemp -d /run/torrust-tracker-backup-test.XXXXXX)
trap 'rm -rf "$copy"' EXIT
(cd storage/backup && sha256sum --check --quiet "$made.sha256" && gzip --test "$made")
files=$(tar -tzf "storage/backup/$made" | grep -c '[^/]$')
case $1 in
  sqlite3)
    tar -xzf "storage/backup/$made" -C "$copy" "$2"
    content=$(python3 -c 'import sqlite3, sys
database = sqlite3.connect(sys.argv[1])
(verdict,) = database.execute("PRAGMA integrity_check(1)").fetchone()
(tables,) = database.execute("SELECT COUNT(*) FROM sqlite_master WHERE type = \"table\"").fetchone()
sys.exit(f"the database in it is damaged: {verdict}") if verdict != "ok" else None
sys.exit("the database in it is empty") if tables == 0 else print(f"database whole, {tables} tables")' "$copy/$2")
    ;;
  mysql)
    tables=$(tar -xzOf "storage/backup/$made" "$2" | tee >(tail -n 1 >"$copy/end") | grep -c '^CREATE TABLE') || { echo "the dump in it has no tables"; exit 100; }
    grep -q '^-- Dump completed' "$copy/end" || { echo "the dump in it has no end"; exit 100; }
    content="dump whole, $tables tables"
    ;;
esac
echo "$made: checksum right, $files files, $content"
