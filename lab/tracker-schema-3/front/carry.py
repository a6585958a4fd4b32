"""Keeps the database in step with what the engine cannot do itself: PostgreSQL's rows, and the total of downloads."""
import asyncio
import sqlite3

from . import log

TOTAL = "torrents_downloads_total"
# Table, its key, and the other column.
CARRIED = (("whitelist", "info_hash", None), ("keys", "key", "valid_until"), ("torrents", "info_hash", "completed"))
EVERY = 5  # seconds


class Carry:
    """What is carried between the configured database and the engine's."""

    def __init__(self, database, persists):
        self.database, self.persists = database, persists
        self.known = {table: {} for table, _, _ in CARRIED}
        self.total = 0
        self.lock = asyncio.Lock()
        self.foreign = database.dialect == "postgresql"

    # ---- before the engine starts

    def begin(self):
        """Reads the total of downloads, and fills the engine's file with PostgreSQL's rows."""
        if self.database.dialect is None:
            return
        connection = self.database.connect()
        cursor = connection.cursor()
        cursor.execute(f"SELECT value FROM torrent_aggregate_metrics WHERE metric_name = '{TOTAL}'")
        self.total = (cursor.fetchone() or [0])[0]
        connection.close()
        if self.foreign:
            with self.scratch() as scratch:
                for statement in (
                    "CREATE TABLE whitelist (id INTEGER PRIMARY KEY AUTOINCREMENT, info_hash TEXT NOT NULL UNIQUE)",
                    "CREATE TABLE keys (id INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL UNIQUE, valid_until INTEGER)",
                    "CREATE TABLE torrents (id INTEGER PRIMARY KEY AUTOINCREMENT, info_hash TEXT NOT NULL UNIQUE, "
                    "completed INTEGER DEFAULT 0 NOT NULL)",
                ):
                    scratch.execute(statement)
            self.read_now()

    def scratch(self):
        return sqlite3.connect(self.database.for_engine()[1], timeout=5)

    # ---- PostgreSQL to the engine's file

    async def read(self):
        """Before the engine reloads."""
        if self.foreign:
            async with self.lock:
                await asyncio.to_thread(self.read_now)

    def read_now(self):
        connection = self.database.connect()
        cursor = connection.cursor()
        with self.scratch() as scratch:
            for table, key, other in CARRIED:
                cursor.execute(f"SELECT {key}, {other or 'NULL'} FROM {table}")
                rows = dict(cursor.fetchall())
                scratch.execute(f"DELETE FROM {table}")
                columns, marks = (f"{key}, {other}", "?, ?") if other else (key, "?")
                scratch.executemany(
                    f"INSERT INTO {table} ({columns}) VALUES ({marks})",
                    [(row if other else row[:1]) for row in rows.items()],
                )
                self.known[table] = rows
        connection.close()

    # ---- the engine's file to PostgreSQL

    async def write(self, total=None):
        """What the engine has written since."""
        if self.database.dialect is None:
            return
        async with self.lock:
            if self.foreign:
                await asyncio.to_thread(self.write_now)
            if self.persists and total is not None and total != self.total:
                await asyncio.to_thread(self.write_total, total)
                self.total = total

    def write_now(self):
        changes = []
        with self.scratch() as scratch:
            for table, key, other in CARRIED:
                now = dict(scratch.execute(f"SELECT {key}, {other or 'NULL'} FROM {table}"))
                before = self.known[table]
                changed = {name: value for name, value in now.items() if name not in before or before[name] != value}
                gone = [name for name in before if name not in now]
                if changed or gone:
                    changes.append((table, key, other, changed, gone, now))
        if not changes:
            return
        connection = self.database.connect()
        cursor = connection.cursor()
        for table, key, other, changed, gone, now in changes:
            for name in gone:
                cursor.execute(f"DELETE FROM {table} WHERE {key} = %s", (name,))
            for name, value in changed.items():
                if other:
                    cursor.execute(
                        f"INSERT INTO {table} ({key}, {other}) VALUES (%s, %s) "
                        f"ON CONFLICT ({key}) DO UPDATE SET {other} = excluded.{other}", (name, value),
                    )
                else:
                    cursor.execute(f"INSERT INTO {table} ({key}) VALUES (%s) ON CONFLICT DO NOTHING", (name,))
            self.known[table] = now
        connection.close()

    def write_total(self, total):
        mark = "?" if self.database.dialect == "sqlite" else "%s"
        clause = {
            "mysql": "ON DUPLICATE KEY UPDATE value = VALUES(value)",
        }.get(self.database.dialect, "ON CONFLICT (metric_name) DO UPDATE SET value = excluded.value")
        connection = self.database.connect()
        cursor = connection.cursor()
        cursor.execute(
            f"INSERT INTO torrent_aggregate_metrics (metric_name, value) VALUES ({mark}, {mark}) {clause}", (TOTAL, total)
        )
        cursor.close()
        connection.close()

    async def for_ever(self, figures):
        while True:
            await asyncio.sleep(EVERY)
            try:
                await figures.read()
                await self.write(figures.persisted)
            except Exception as error:  # A server that is gone comes back; what was not carried is carried then.
                log.error("DATABASE", f"rows could not be carried: {type(error).__name__}: {error}")
