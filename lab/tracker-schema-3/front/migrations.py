"""What today's tracker does to a database at its start: the check of an older one's tables, then the migrations."""
import hashlib
import time

TABLES = ("whitelist", "torrents", "keys", "torrent_aggregate_metrics")
LAST_BY_HAND = 20250527093000
CALLED = {"sqlite": "Sqlite3", "mysql": "MySQL", "postgresql": "PostgreSQL"}
IDENTITY = {
    "sqlite": "id INTEGER PRIMARY KEY AUTOINCREMENT",
    "mysql": "id INTEGER PRIMARY KEY AUTO_INCREMENT",
    "postgresql": "id SERIAL PRIMARY KEY",
}
KEY = {"sqlite": "key", "mysql": "`key`", "postgresql": "key"}
KEYS = {"sqlite": "keys", "mysql": "`keys`", "postgresql": "keys"}


class Refused(Exception):
    """A database that today's tracker does not take."""


def steps(dialect):
    """Version, description and statements of each migration."""
    identity = IDENTITY[dialect]
    word = "TEXT" if dialect == "sqlite" else "VARCHAR(40)"
    key, keys = KEY[dialect], KEYS[dialect]
    key_type = "TEXT" if dialect == "sqlite" else "VARCHAR(32)"
    until = {"sqlite": "INTEGER", "mysql": "INT", "postgresql": "BIGINT"}[dialect]
    metric = "TEXT" if dialect == "sqlite" else "VARCHAR(50)"
    make = [
        f"CREATE TABLE IF NOT EXISTS whitelist ({identity}, info_hash {word} NOT NULL UNIQUE)",
        f"CREATE TABLE IF NOT EXISTS torrents ({identity}, info_hash {word} NOT NULL UNIQUE, completed INTEGER DEFAULT 0 NOT NULL)",
        f"CREATE TABLE IF NOT EXISTS {keys} ({identity}, {key} {key_type} NOT NULL UNIQUE, valid_until {until} NOT NULL)",
    ]
    nullable = {
        "sqlite": [
            f"CREATE TABLE keys_new ({identity}, key TEXT NOT NULL UNIQUE, valid_until INTEGER)",
            "INSERT INTO keys_new SELECT * FROM keys", "DROP TABLE keys", "ALTER TABLE keys_new RENAME TO keys",
        ],
        "mysql": [f"ALTER TABLE {keys} MODIFY valid_until INT"],
        "postgresql": ["ALTER TABLE keys ALTER COLUMN valid_until DROP NOT NULL"],
    }[dialect]
    aggregate = [
        f"CREATE TABLE IF NOT EXISTS torrent_aggregate_metrics ({identity}, metric_name {metric} NOT NULL UNIQUE, value INTEGER DEFAULT 0 NOT NULL)"
    ]
    wide = {
        "sqlite": [],
        "mysql": [
            "ALTER TABLE torrents MODIFY completed BIGINT NOT NULL DEFAULT 0",
            "ALTER TABLE torrent_aggregate_metrics MODIFY value BIGINT NOT NULL DEFAULT 0",
        ],
        "postgresql": [
            "ALTER TABLE torrents ALTER COLUMN completed TYPE BIGINT",
            "ALTER TABLE torrent_aggregate_metrics ALTER COLUMN value TYPE BIGINT",
        ],
    }[dialect]
    return [
        (20240730183000, "torrust tracker create all tables", make),
        (20240730183500, "torrust tracker keys valid until nullable", nullable),
        (LAST_BY_HAND, "torrust tracker new torrent aggregate metrics table", aggregate),
        (20260409120000, "torrust tracker widen download counters", wide),
    ]


def history(dialect):
    """The table of the library `sqlx`."""
    moment = {"sqlite": "TIMESTAMP", "mysql": "TIMESTAMP", "postgresql": "TIMESTAMPTZ"}[dialect]
    default = "now()" if dialect == "postgresql" else "CURRENT_TIMESTAMP"
    blob = "BYTEA" if dialect == "postgresql" else "BLOB"
    return (
        "CREATE TABLE IF NOT EXISTS _sqlx_migrations (version BIGINT PRIMARY KEY, description TEXT NOT NULL, "
        f"installed_on {moment} NOT NULL DEFAULT {default}, success BOOLEAN NOT NULL, checksum {blob} NOT NULL, "
        "execution_time BIGINT NOT NULL)"
    )


def run(connection, dialect):
    """Checks and migrates; a database that was migrated before is left as it is."""
    cursor = connection.cursor()
    known = steps(dialect)
    if "_sqlx_migrations" not in tables(cursor, dialect):
        legacy(cursor, dialect, known)
        cursor.execute(history(dialect))
    cursor.execute("SELECT version, success, checksum FROM _sqlx_migrations ORDER BY version")
    applied = {version: (success, bytes(checksum)) for version, success, checksum in cursor.fetchall()}
    for version, (success, checksum) in applied.items():
        if not success:
            raise failed(dialect, f"migration {version} is partially applied; fix and remove row from `_sqlx_migrations` table")
        statements = {step[0]: step[2] for step in known}
        if version not in statements:
            raise failed(dialect, f"migration {version} was previously applied but is missing in the resolved migrations")
        if checksum != checksum_of(statements[version]):
            raise failed(dialect, f"migration {version} was previously applied but has been modified")
    for step in known:
        if step[0] not in applied:
            apply(cursor, dialect, step)
    cursor.close()
    connection.close()


def failed(dialect, reason):
    return Refused(f"Failed to apply {CALLED[dialect]} schema migrations: {reason}")


def tables(cursor, dialect):
    cursor.execute({
        "sqlite": "SELECT name FROM sqlite_master WHERE type = 'table'",
        "mysql": "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE()",
        "postgresql": "SELECT table_name FROM information_schema.tables WHERE table_schema = current_schema()",
    }[dialect])
    return {row[0] for row in cursor.fetchall()}


def legacy(cursor, dialect, known):
    """A database without a history has all four tables, whose migrations are then taken as done, or none of them."""
    if dialect == "postgresql":
        return
    there = sum(table in tables(cursor, dialect) for table in TABLES)
    if there == 0:
        return
    if there < len(TABLES):
        raise Refused(
            f"Cannot upgrade {CALLED[dialect]} database: expected all of [{', '.join(TABLES)}] to exist after the legacy "
            f"manual migrations, found only {there} of {len(TABLES)} tables; apply every pre-v4 migration before upgrading"
        )
    cursor.execute(history(dialect))
    for step in known:
        if step[0] <= LAST_BY_HAND:
            note(cursor, dialect, step, 0)


def apply(cursor, dialect, step):
    began = time.monotonic_ns()
    for statement in step[2]:
        cursor.execute(statement)
    note(cursor, dialect, step, time.monotonic_ns() - began)


def note(cursor, dialect, step, nanoseconds):
    mark = "?" if dialect == "sqlite" else "%s"
    cursor.execute(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) "
        f"VALUES ({mark}, {mark}, TRUE, {mark}, {mark})",
        (step[0], step[1], checksum_of(step[2]), nanoseconds),
    )


def checksum_of(statements):
    return hashlib.sha384("\n".join(statements).encode()).digest()
