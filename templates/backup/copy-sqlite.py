"""Copies an SQLite database that is being written to.   usage: copy-sqlite.py DATABASE COPY

With a write-ahead log, readers and writers do not wait for each other, so the whole copy is one read of one moment: it
neither holds the tracker up nor begins anew at each write. The database is given such a log once; it keeps it.
"""
import sqlite3
import sys
import time

PATIENCE = 60


def connect(path):
    return sqlite3.connect(path, timeout=PATIENCE, isolation_level=None)


def give_log(database):
    """SQLite does not wait for the lock that this needs, so it is asked for again and again."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            (mode,) = database.execute("PRAGMA journal_mode = WAL").fetchone()
            break
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.05)
    if mode != "wal":
        raise sqlite3.OperationalError(f"it stays in the journal mode {mode}, in which a copy would stop the tracker")


def main(path, copy_path):
    database = connect(path)
    (mode,) = database.execute("PRAGMA journal_mode").fetchone()
    if mode != "wal":
        give_log(database)
    copy = connect(copy_path)
    # A copy that a power cut spoils is not used.
    copy.execute("PRAGMA synchronous = OFF")
    database.backup(copy)
    # Without what is left of the log, the copy is one file.
    copy.execute("PRAGMA journal_mode = DELETE")
    (verdict,) = copy.execute("PRAGMA quick_check(1)").fetchone()
    if verdict != "ok":
        raise sqlite3.DatabaseError(f"the copy is damaged: {verdict}")
    copy.close()


try:
    main(*sys.argv[1:])
except sqlite3.Error as error:
    sys.exit(f"{sys.argv[1]}: {error}")
