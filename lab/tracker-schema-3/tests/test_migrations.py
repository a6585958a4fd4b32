"""What the start does to a database, on SQLite."""
import sqlite3
import tempfile
import unittest
from pathlib import Path

from front.database import Sqlite, address_of, opened
from front.load import Failure
from front.migrations import TABLES, tables
from front.values import Panic

OF_RELEASE_3_0_0 = (
    "CREATE TABLE whitelist (id INTEGER PRIMARY KEY AUTOINCREMENT, info_hash TEXT NOT NULL UNIQUE)",
    "CREATE TABLE torrents (id INTEGER PRIMARY KEY AUTOINCREMENT, info_hash TEXT NOT NULL UNIQUE, completed INTEGER DEFAULT 0 NOT NULL)",
    "CREATE TABLE keys (id INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL UNIQUE, valid_until INTEGER)",
)
FOURTH = (
    "CREATE TABLE IF NOT EXISTS torrent_aggregate_metrics (id INTEGER PRIMARY KEY AUTOINCREMENT, "
    "metric_name TEXT NOT NULL UNIQUE, value INTEGER NOT NULL DEFAULT 0)"
)


class Migrations(unittest.TestCase):
    """Of a file in a folder of its own."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = Path(folder.name, "x.db")

    def sql(self, *statements):
        with sqlite3.connect(self.path) as connection:
            return [connection.execute(statement).fetchall() for statement in statements][-1]

    def start(self):
        return opened({"driver": "sqlite3", "path": str(self.path)}, None)

    def refused(self, *words):
        with self.assertRaises(Failure) as caught:
            self.start()
        for word in words:
            self.assertIn(word, str(caught.exception))

    def versions(self):
        return [row[0] for row in self.sql("SELECT version FROM _sqlx_migrations ORDER BY version")]

    def test_a_new_file_gets_all_tables(self):
        self.assertIsInstance(self.start(), Sqlite)
        with sqlite3.connect(self.path) as connection:
            self.assertLessEqual({*TABLES, "_sqlx_migrations"}, tables(connection.cursor(), "sqlite"))
        self.assertEqual(len(self.versions()), 4)
        self.start()
        self.assertEqual(len(self.versions()), 4)

    def test_three_tables_are_refused_and_stay_as_they_are(self):
        self.sql(*OF_RELEASE_3_0_0)
        self.refused("Cannot upgrade Sqlite3 database", "found only 3 of 4 tables; apply every pre-v4 migration before upgrading")
        self.assertEqual(self.sql("SELECT name FROM sqlite_master WHERE name LIKE '%sqlx%'"), [])

    def test_four_tables_keep_their_rows(self):
        self.sql(*OF_RELEASE_3_0_0, FOURTH, "INSERT INTO keys (key) VALUES ('k')")
        self.start()
        self.assertEqual(len(self.versions()), 4)
        self.assertEqual(self.sql("SELECT key FROM keys"), [("k",)])

    def test_a_history_that_differs_is_refused(self):
        self.start()
        self.sql("UPDATE _sqlx_migrations SET checksum = x'00' WHERE version = 20240730183000")
        self.refused("migration 20240730183000 was previously applied but has been modified")

    def test_an_unknown_or_unfinished_migration_is_refused(self):
        self.start()
        self.sql("INSERT INTO _sqlx_migrations SELECT 20990101000000, description, installed_on, success, checksum, 0 FROM _sqlx_migrations LIMIT 1")
        self.refused("migration 20990101000000 was previously applied but is missing")
        self.sql("UPDATE _sqlx_migrations SET success = FALSE WHERE version = 20240730183000")
        self.refused("is partially applied")

    def test_the_folder_is_not_made(self):
        self.path = self.path.parent / "missing" / "x.db"
        self.refused("unable to open database file")

    def test_what_a_url_makes_of_a_host(self):
        self.assertEqual([address_of(host) for host in ("mysql", "10.0.0.1", "fd00::1", "[fd00::1]")],
                         ["mysql", "10.0.0.1", "fd00", "fd00::1"])
        for host in ("", "my sql"):
            with self.assertRaises(Panic):
                address_of(host)


if __name__ == "__main__":
    unittest.main()
