"""Looks which tables of a tracker an SQLite database has, or adds the one that release 3.0.0 does not make.

usage: upgrade-sqlite.py look|add DATABASE

look: prints "table NAME" of each, and "strict" where keys.valid_until may not be NULL. add: makes the table, and prints "before
TABLE COUNT" and "after TABLE COUNT" of each table. All of it is one transaction: whoever is cut off has done nothing.
"""
import pathlib
import sqlite3
import sys

FOURTH = "torrent_aggregate_metrics"
KNOWN = {"keys", "torrents", "whitelist", FOURTH, "_sqlx_migrations"}
MAKE = f"""CREATE TABLE IF NOT EXISTS {FOURTH} (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    metric_name TEXT NOT NULL UNIQUE,
    value INTEGER NOT NULL DEFAULT 0
)"""
PATIENCE = 60


def tables(database):
    names = database.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
    return sorted(name for (name,) in names.fetchall())


def count(database):
    return {name: database.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0] for name in tables(database)}


def look(database):
    for name in tables(database):
        if name in KNOWN:
            print("table", name)
    columns = database.execute("SELECT \"notnull\" FROM pragma_table_info('keys') WHERE name = 'valid_until'").fetchone()
    if columns == (1,):
        print("strict")


def add(database):
    # Writers wait meanwhile, so that the counts are of one moment.
    database.execute("BEGIN IMMEDIATE")
    before = count(database)
    database.execute(MAKE)
    after = count(database)
    if {**after, **before} != after:
        raise sqlite3.DatabaseError("the rows are not the same with the new table; it was not made")
    database.execute("COMMIT")
    for word, counted in [("before", before), ("after", after)]:
        for name, rows in counted.items():
            print(word, name, rows)


def main(action, path):
    # Its name may have what would end a path in a URI. One that is not there is not made.
    place = pathlib.Path(path).absolute().as_uri() + "?mode=rw"
    database = sqlite3.connect(place, uri=True, timeout=PATIENCE, isolation_level=None)
    {"look": look, "add": add}[action](database)
    database.close()


try:
    main(*sys.argv[1:])
except sqlite3.Error as error:
    sys.exit(f"{sys.argv[2]}: {error}")
