"""Options of `docker create` for the tracker of a stack, one a line, from `docker compose config --format json`.

The database is SQLite in any case: a tracker alone has no MySQL beside it.
"""

import json
import sys


def options(tracker):
    override = "TORRUST_TRACKER_CONFIG_OVERRIDE_CORE__DATABASE__"
    own = {override + "DRIVER": "sqlite3", override + "PATH": "/var/lib/torrust/tracker/database/judge.db"}
    # Compose doubles the dollar signs of values in what it prints.
    given = {name: value.replace("$$", "$") for name, value in tracker["environment"].items()}
    for name, value in {**given, **own}.items():
        yield "--env=%s=%s" % (name, value)
    for name, value in tracker.get("sysctls", {}).items():
        yield "--sysctl=%s=%s" % (name, value)
    command = " ".join(tracker["healthcheck"]["test"][1:])
    yield "--health-cmd=" + command
    yield "--health-interval=1s"


if __name__ == "__main__":
    print("\n".join(options(json.load(sys.stdin)["services"]["tracker"])))
