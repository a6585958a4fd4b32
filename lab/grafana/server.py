#!/usr/bin/python3
"""A lab stand-in for Grafana's program: `grafana server`, and of `grafana cli` the command that sets the administrator's password.

The server reads the provisioned files, checks them, and answers some of Grafana's API.

It has no dashboards to look at. Broken files, which the real one would only log, end it: a test must see them.
"""
import base64
import binascii
import glob
import hmac
import json
import os
import signal
import socket
import sys
import urllib.error
import urllib.parse
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import yaml

import store
from store import setting

PROVISIONING = os.environ["GF_PATHS_PROVISIONING"]
VERSION = "lab stand-in"


class Broken(Exception):
    """A provisioned file that Grafana could not use."""


def need(found, path, what):
    if not found:
        raise Broken(f"{path}: {what}")


def documents(folder, section):
    """The entries under `section` of all YAML files in one of the provisioning folders."""
    for path in sorted(glob.glob(f"{PROVISIONING}/{folder}/*.y*ml")):
        with open(path, encoding="utf-8") as file:
            try:
                document = yaml.safe_load(file)
            except yaml.YAMLError as error:
                raise Broken(f"{path}: {error}") from error
        need(isinstance(document, dict), path, "not a mapping")
        need(document.get("apiVersion") == 1, path, "apiVersion must be 1")
        need(isinstance(document.get(section), list), path, f"no list {section}")
        for entry in document[section]:
            yield path, entry


def read_datasources():
    sources = {}
    for path, source in documents("datasources", "datasources"):
        for field in ("name", "uid", "type", "access", "url"):
            need(isinstance(source.get(field), str), path, f"a data source without {field}")
        need(source["access"] in ("proxy", "direct"), path, "access must be proxy or direct")
        need(urllib.parse.urlsplit(source["url"]).hostname, path, "url is no address")
        need(source["uid"] not in sources, path, f"the uid {source['uid']} is there twice")
        sources[source["uid"]] = source
    need(sum(bool(source.get("isDefault")) for source in sources.values()) <= 1, PROVISIONING, "two default data sources")
    return sources


def read_dashboards(sources):
    boards = {}
    for path, provider in documents("dashboards", "providers"):
        need(isinstance(provider.get("name"), str), path, "a provider without name")
        folder = provider.get("options", {}).get("path", "")
        need(os.path.isdir(folder), path, f"the folder {folder or '(none)'} is not there")
        for file_path in sorted(glob.glob(f"{folder}/**/*.json", recursive=True)):
            with open(file_path, encoding="utf-8") as file:
                try:
                    board = json.load(file)
                except ValueError as error:
                    raise Broken(f"{file_path}: {error}") from error
            check_dashboard(file_path, board, sources)
            need(board["uid"] not in boards, file_path, f"the uid {board['uid']} is there twice")
            boards[board["uid"]] = board
    return boards


def check_dashboard(path, board, sources):
    for field in ("uid", "title"):
        need(isinstance(board.get(field), str) and board[field], path, f"no {field}")
    need(len(board["uid"]) <= 40, path, "a uid has 40 characters at most")
    need(isinstance(board.get("schemaVersion"), int), path, "no schemaVersion")
    panels = board.get("panels")
    need(isinstance(panels, list) and panels, path, "no panels")
    need(len({panel.get("id") for panel in panels}) == len(panels), path, "two panels with one id")
    for panel in panels:
        what = f"panel {panel.get('title')!r}"
        need(isinstance(panel.get("type"), str), path, f"{what} has no type")
        place = panel.get("gridPos", {})
        need(all(isinstance(place.get(side), int) for side in "xywh"), path, f"{what} has no place")
        need(place["x"] + place["w"] <= 24, path, f"{what} is wider than the grid")
        need(panel.get("datasource", {}).get("uid") in sources, path, f"{what}: an unknown data source")
        targets = panel.get("targets", [])
        need(targets and all(target.get("expr") and target.get("refId") for target in targets), path, f"{what} asks nothing")
        need(len({target["refId"] for target in targets}) == len(targets), path, f"{what} has one refId twice")


class Handler(BaseHTTPRequestHandler):
    """Answers one request."""

    def do_GET(self):
        path = urllib.parse.urlsplit(self.path).path
        if path == "/api/health":
            return self.answer(200, {"commit": "", "database": "ok", "version": VERSION})
        if path == "/login":
            return self.answer(200, {"title": f"Grafana ({VERSION})", "signUp": SIGN_UP})
        if not self.let_in():
            return self.answer(401, {"message": "Invalid username or password" if self.headers["Authorization"] else "Unauthorized"})
        if path == "/api/datasources":
            return self.answer(200, list(SOURCES.values()))
        if path == "/api/search":
            return self.answer(200, [{"uid": uid, "title": board["title"], "type": "dash-db"} for uid, board in BOARDS.items()])
        parts = path.split("/")[1:]
        if parts[:3] == ["api", "datasources", "uid"] and parts[4:] == ["health"] and parts[3] in SOURCES:
            return self.answer(*source_health(SOURCES[parts[3]]))
        if parts[:3] == ["api", "dashboards", "uid"] and parts[3] in BOARDS:
            return self.answer(200, {"dashboard": BOARDS[parts[3]], "meta": {"provisioned": True}})
        return self.answer(404, {"message": "Not found"})

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path == "/api/user/signup":
            return self.answer(*((200, {"status": "SignUpCreated"}) if SIGN_UP else (401, {"message": "User signup is disabled"})))
        if self.path == "/login":
            try:
                given = json.loads(body)
                known = is_admin(given.get("user"), given.get("password"))
            except (ValueError, AttributeError):
                return self.answer(400, {"message": "bad login data"})
            return self.answer(*((200, {"message": "Logged in"}) if known else (401, {"message": "Invalid username or password"})))
        return self.answer(404, {"message": "Not found"})

    def let_in(self):
        kind, _, encoded = (self.headers["Authorization"] or "").partition(" ")
        if not encoded:
            return ANONYMOUS
        try:
            user, _, password = base64.b64decode(encoded).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return False
        return kind == "Basic" and is_admin(user, password)

    def answer(self, status, document):
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def is_admin(user, password):
    admin = store.read()
    return same(user, admin["user"]) and same(password, admin["password"])


def same(given, wanted):
    return isinstance(given, str) and hmac.compare_digest(given.encode(), wanted.encode())


def source_health(source):
    try:
        with urllib.request.urlopen(f"{source['url']}/api/v1/query?query=1%2B1", timeout=5) as answer:
            well = json.load(answer)["status"] == "success"
    except (OSError, ValueError, KeyError) as error:
        return 400, {"status": "ERROR", "message": str(error)}
    return (200, {"status": "OK", "message": "Successfully queried the Prometheus API."}) if well else (400, {"status": "ERROR"})


class Server(ThreadingHTTPServer):
    """Listens over IPv4 and IPv6, as the real one does."""

    address_family = socket.AF_INET6


if sys.argv[1:2] == ["cli"]:
    sys.exit(store.command(sys.argv[2:]))
SIGN_UP = setting("GF_USERS_ALLOW_SIGN_UP", "false") == "true"
ANONYMOUS = setting("GF_AUTH_ANONYMOUS_ENABLED", "false") == "true"
try:
    SOURCES = read_datasources()
    BOARDS = read_dashboards(SOURCES)
    store.begin()
except (Broken, OSError) as error:
    sys.exit(f"Grafana ({VERSION}): {error}")
print(f"Grafana ({VERSION}): {len(SOURCES)} data sources, {len(BOARDS)} dashboards", flush=True)
# Process 1 is not ended by a signal that it does not ask for.
signal.signal(signal.SIGTERM, lambda *_: sys.exit())
Server(("::", 3000), Handler).serve_forever()
