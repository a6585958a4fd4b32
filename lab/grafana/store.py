"""The stand-in's settings, as Grafana reads them, and what it keeps in its data folder from its first start on."""
import hashlib
import json
import os
import re
import sys


def setting(name, default=""):
    """A variable's value, with what Grafana replaces in it; what a file has is taken as it is."""
    text = re.sub(r"\$(?:__env)?{([^}]+)}", lambda found: os.environ.get(found[1], ""), os.environ.get(name, default))
    return re.sub(r"\$__file{([^}]+)}", lambda found: contents(found[1]), text)


def contents(path):
    with open(path, encoding="utf-8") as file:
        return file.read().strip()


def place():
    return os.path.join(os.environ["GF_PATHS_DATA"], "grafana.db")


def read():
    with open(place(), encoding="utf-8") as file:
        return json.load(file)


def write(kept):
    with open(place(), "w", encoding="utf-8") as file:
        json.dump(kept, file)


def begin():
    """Name and password of the administrator are taken once; the key must be the same for ever."""
    key = hashlib.sha256(setting("GF_SECURITY_SECRET_KEY", "everybody knows it").encode()).hexdigest()
    if not os.path.exists(place()):
        user, password = (setting(f"GF_SECURITY_ADMIN_{what}", "admin") for what in ("USER", "PASSWORD"))
        write({"key": key, "user": user, "password": password})
    if read()["key"] != key:
        raise OSError("the database was encrypted with another secret key")


def command(words):
    """The command line's answer to the one command that it knows; a message where it failed."""
    if words != ["--homepath", os.environ["GF_PATHS_HOME"], "admin", "reset-admin-password", "--password-from-stdin"]:
        return f"the stand-in does not know: grafana cli {' '.join(words)}"
    password = sys.stdin.readline().rstrip("\n")
    if len(password) < 4:
        return "new password is too short"
    write({**read(), "password": password})
    print("Admin password changed successfully")
    return None
