"""The databases: what a connection meets, and what the engine is given."""
import re
import socket
import sqlite3
import time
from pathlib import Path
from urllib.parse import unquote

from . import migrations
from .load import Failure
from .values import Panic

COMPOSED = "Tracker dependencies could not be composed. Correct the configured service dependencies and restart: "
# How long today's tracker asks again for a connection that is refused, at its start; and later, in seconds.
PATIENCE, LATER = 30, 3


def opened(settings, scratch):
    """The configured database, checked and migrated."""
    if settings is None:
        return Nothing(scratch)
    kind = {"sqlite3": Sqlite, "mysql": Mysql, "postgresql": Postgresql}[settings["driver"]]
    database = kind(settings, scratch)
    try:
        database.prepare()
    except migrations.Refused as refused:
        raise Failure(COMPOSED + str(refused)) from None
    return database


class Nothing:
    """No database: the engine, which needs one, gets a scratch file that is thrown away."""

    dialect = None

    def __init__(self, scratch):
        self.scratch = scratch

    def for_engine(self):
        return "sqlite3", str(Path(self.scratch, "nothing.db"))


class Sqlite:
    """A file. It is made where it is missing, its folder is not."""

    dialect = "sqlite"

    def __init__(self, settings, _):
        self.path = settings["path"]

    def connect(self):
        try:
            connection = sqlite3.connect(self.path, timeout=5, isolation_level=None)
            connection.execute("PRAGMA schema_version")
            return connection
        except sqlite3.Error as error:
            code = f"(code: {error.sqlite_errorcode & 0xFF}) " if hasattr(error, "sqlite_errorcode") else ""
            raise Failure(f"{COMPOSED}Failed to connect to Sqlite3: error returned from database: {code}{error}") from None

    def prepare(self):
        migrations.run(self.connect(), self.dialect)

    def for_engine(self):
        return "sqlite3", self.path


def address_of(host):
    """What the tracker's URL makes of a host's name: unbracketed IPv6 is cut at its first colon."""
    if not host or re.search(r"\s", host):
        raise Panic(f"the database's host {host!r} makes no URL")
    if host.startswith("[") and host.endswith("]"):
        return host[1:-1]
    return host.split(":")[0]


class Server:
    """What MySQL and PostgreSQL have in common."""

    def __init__(self, settings, scratch):
        self.patience = PATIENCE
        self.scratch, self.port, self.name = scratch, settings["port"], settings["database"]
        self.host = address_of(settings["host"])
        # The tracker puts both into a URL and does not encode `%`, which the library behind decodes.
        self.user, self.password = unquote(settings["user"]), unquote(settings["password"])

    def patiently(self, connect, refused):
        deadline = time.monotonic() + self.patience
        try:
            socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
        except OSError as error:
            raise self.failure(f"error communicating with database: failed to lookup address information: {error.strerror}") from None
        while True:
            try:
                return connect()
            except refused as error:
                if not self.is_refusal(error):
                    raise self.failure(self.reason(error)) from None
            if time.monotonic() > deadline:
                raise self.failure("pool timed out while waiting for an open connection")
            time.sleep(0.5)

    def failure(self, reason):
        return Failure(f"{COMPOSED}Failed to connect to {self.called}: {reason}")

    def prepare(self):
        migrations.run(self.connect(), self.dialect)
        self.patience = LATER


class Mysql(Server):
    """A MySQL server, which the engine uses itself."""

    dialect, called = "mysql", "MySQL"

    def connect(self):
        import pymysql

        return self.patiently(
            lambda: pymysql.connect(host=self.host, port=self.port, user=self.user, password=self.password,
                                    database=self.name, connect_timeout=5, autocommit=True, charset="utf8mb4"),
            pymysql.err.Error,
        )

    @staticmethod
    def is_refusal(error):
        return error.args[0] == 2003 and "refused" in str(error)

    @staticmethod
    def reason(error):
        code, said = (*error.args, "")[:2]
        state = {1044: "42000", 1045: "28000", 1049: "42000"}.get(code, "HY000")
        return f"error returned from database: {code} ({state}): {said}"

    def for_engine(self):
        host = f"[{self.host}]" if ":" in self.host else self.host
        return "mysql", self.user, self.password, host, self.port, self.name


class Postgresql(Server):
    """A PostgreSQL server, which 3.0.0 does not know: its rows are carried to a scratch file and back."""

    dialect, called = "postgresql", "PostgreSQL"

    def connect(self):
        import psycopg2

        connection = self.patiently(
            lambda: psycopg2.connect(host=self.host, port=self.port, user=self.user, password=self.password,
                                     dbname=self.name, connect_timeout=5),
            psycopg2.Error,
        )
        connection.autocommit = True
        return connection

    @staticmethod
    def is_refusal(error):
        return "Connection refused" in str(error) or "starting up" in str(error)

    @staticmethod
    def reason(error):
        return "error returned from database: " + str(error).strip().split("FATAL:")[-1].strip()

    def for_engine(self):
        return "sqlite3", str(Path(self.scratch, "postgresql.db"))
