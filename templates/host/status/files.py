"""What the others read files with."""
import contextlib

ROOT = "/opt/torrust"


def lines(path):
    with contextlib.suppress(OSError), open(path, encoding="utf-8", errors="replace") as file:
        return file.read().splitlines()
    return []
