"""Counts the rows of each table: "rows TABLE COUNT", by name.   usage: rows.py [--check] DATABASE | .../SERVER/dump.sql

--check reads all of an SQLite database first, and fails where it is damaged. In a dump of mysqldump or pg_dump it counts the
rows that the dump would insert.
"""
import pathlib
import re
import sqlite3
import sys

# Within quotes anything may stand, also what looks like the end of a row.
TEXT = re.compile(rb"'(?:[^'\\]|\\.)*'", re.DOTALL)
MADE = re.compile(rb"CREATE TABLE `(.+)` \($")
FILLED = re.compile(rb"INSERT INTO `(.+?)` VALUES ")


# A schema and a table, each in quotes where it is no plain word. Each line after it is a row, up to the line "\.".
COPIED = re.compile(rb'COPY ((?:"(?:[^"]|"")+"|[^". ]+)\.(?:"(?:[^"]|"")+"|[^". ]+)) .*FROM stdin;$')


def of_mysql_dump(path):
    rows = {}
    with open(path, "rb") as dump:
        for line in dump:
            if made := MADE.match(line.rstrip()):
                rows.setdefault(made[1].decode(), 0)
            elif filled := FILLED.match(line):
                rows[filled[1].decode()] += TEXT.sub(b"", line).count(b"),(") + 1
    return rows


def of_postgresql_dump(path):
    rows, table = {}, None
    with open(path, "rb") as dump:
        for line in dump:
            line = line.rstrip(b"\n")
            if table is None:
                if copied := COPIED.match(line):
                    table = copied[1].decode().removeprefix("public.")
                    rows[table] = 0
            elif line == b"\\.":
                table = None
            else:
                rows[table] += 1
    return rows


def of_database(path, check):
    # Its name may have what would end a path in a URI.
    database = sqlite3.connect(pathlib.Path(path).absolute().as_uri() + "?mode=rw", uri=True, timeout=60)
    if check:
        (verdict,) = database.execute("PRAGMA integrity_check(1)").fetchone()
        if verdict != "ok":
            raise sqlite3.DatabaseError(f"it is damaged: {verdict}")
    tables = database.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
    count = 'SELECT count(*) FROM "{}"'
    rows = {table: database.execute(count.format(table)).fetchone()[0] for (table,) in tables.fetchall()}
    database.close()
    return rows


path = sys.argv[-1]
try:
    if path.endswith("/mysql/dump.sql"):
        counted = of_mysql_dump(path)
    elif path.endswith("/postgresql/dump.sql"):
        counted = of_postgresql_dump(path)
    else:
        counted = of_database(path, "--check" in sys.argv)
except sqlite3.Error as error:
    sys.exit(f"{path}: {error}")
for name, count in sorted(counted.items()):
    print("rows", name, count)
