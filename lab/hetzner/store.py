"""What the emulator knows, in one JSON file, so that it can be killed and started again."""
import json
import os
import threading
from contextlib import contextmanager
from datetime import datetime, timezone

KINDS = ("ssh_keys", "firewalls", "servers", "actions")


def now():
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


class Store:
    """Records by kind and id. Keys that begin with an underscore are the emulator's own and never leave it."""

    def __init__(self, folder):
        self.file = folder / "state.json"
        self.lock = threading.RLock()
        self.data = json.loads(self.file.read_text()) if self.file.exists() else {"last_id": 1000, "faults": []}
        for kind in KINDS:
            self.data.setdefault(kind, {})

    @contextmanager
    def change(self):
        """What is changed inside is on disk afterwards, whole or not at all."""
        with self.lock:
            yield self.data
            draft = self.file.with_suffix(".draft")
            draft.write_text(json.dumps(self.data, indent=1))
            os.replace(draft, self.file)

    def add(self, kind, record):
        """`record` may be a function of the new id, for what is named after it."""
        with self.change() as data:
            data["last_id"] += 1
            number = data["last_id"]
            data[kind][str(number)] = {"id": number, **(record(number) if callable(record) else record)}
            return data[kind][str(number)]

    def get(self, kind, number):
        with self.lock:
            return self.data[kind].get(str(number))

    def update(self, kind, number, **values):
        with self.change() as data:
            data[kind][str(number)].update(values)

    def remove(self, kind, number):
        with self.change() as data:
            data[kind].pop(str(number), None)

    def all(self, kind):
        with self.lock:
            return list(self.data[kind].values())


def public(record):
    return {key: value for key, value in record.items() if not key.startswith("_")}
