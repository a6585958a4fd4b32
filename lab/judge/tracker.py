"""Options of `docker create` for the tracker of a stack, one a line, from `docker compose config --format json`; and its
tracker.toml, on the way from one file to another.

usage: tracker.py TRACKER_TOML NEW_TRACKER_TOML    the image comes last

The database is SQLite in any case: a tracker alone has no server beside it.
"""

import json
import re
import sys
import tomllib
from pathlib import Path

OVERRIDE = "TORRUST_TRACKER_CONFIG_OVERRIDE_CORE__DATABASE__"
# Where each schema's image can make a file: the newer one makes no folder.
IMAGES = {"2.0.0": ("lab/tracker:3.0.0", "/var/lib/torrust/tracker/database"), "3.0.0": ("lab/tracker:schema-3", "/var/lib/torrust/tracker")}


def options(tracker, folder):
    # Compose doubles the dollar signs of values in what it prints.
    given = {name: value.replace("$$", "$") for name, value in tracker["environment"].items()}
    if any(name.startswith(OVERRIDE) for name in given):
        given = {name: value for name, value in given.items() if not name.startswith(OVERRIDE)}
        given |= {OVERRIDE + "DRIVER": "sqlite3", OVERRIDE + "PATH": f"{folder}/judge.db"}
    for name, value in given.items():
        yield "--env=%s=%s" % (name, value)
    for name, value in tracker.get("sysctls", {}).items():
        yield "--sysctl=%s=%s" % (name, value)
    command = " ".join(tracker["healthcheck"]["test"][1:])
    yield "--health-cmd=" + command
    yield "--health-interval=1s"


def without_database(text):
    """The file without that table, which the options give instead."""
    return re.sub(r"(?ms)^\[core\.database\]\n.*?(?=^\[|\Z)", "", text)


if __name__ == "__main__":
    text = Path(sys.argv[1]).read_text(encoding="utf-8")
    image, folder = IMAGES[tomllib.loads(text)["metadata"]["schema_version"]]
    Path(sys.argv[2]).write_text(without_database(text), encoding="utf-8")
    print("\n".join([*options(json.load(sys.stdin)["services"]["tracker"], folder), image]))
