"""HTTP on loopback: who may ask, what was asked, and what goes wrong on purpose."""
import hmac
import json
import re
import secrets
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qs, urlsplit

import faults
from errors import ApiError

THREADS = 16
LIMIT = 3600
LONGEST_BODY = 1 << 20
SLOWEST_CLIENT = 30


@dataclass
class Request:
    method: str
    path: str
    query: dict
    body: dict = field(default_factory=dict)
    # Fault switches that concern what the request sets going.
    effects: dict = field(default_factory=dict)


class Server(HTTPServer):
    """With a bounded number of threads."""

    allow_reuse_address = True
    request_queue_size = 64

    def __init__(self, address, api, control):
        super().__init__(address, Handler)
        self.api = api
        self.control = control
        self.pool = ThreadPoolExecutor(THREADS, thread_name_prefix="http")

    def process_request(self, request, client_address):
        self.pool.submit(self.answer, request, client_address)

    def answer(self, request, client_address):
        try:
            self.finish_request(request, client_address)
        except ConnectionError:
            pass  # the client has gone
        except Exception:
            self.handle_error(request, client_address)
        finally:
            self.shutdown_request(request)


class Api:
    """Routes, tokens and the request log. No header and no body is kept anywhere."""

    def __init__(self, store, routes, tokens, read_only, log):
        self.store = store
        self.routes = [(method, re.compile(pattern), function) for method, pattern, function in routes]
        self.tokens = tokens
        self.read_only = read_only
        self.log = log

    def answer(self, request, authorization):
        met = faults.take(self.store, request.method, request.path)
        faults.strike(met)
        self.admit(request.method, authorization)
        request.effects = faults.effects(met)
        return self.route(request)

    def admit(self, method, authorization):
        given = authorization.removeprefix("Bearer ")
        may_read = any(hmac.compare_digest(given.encode(), token.encode()) for token in self.tokens + self.read_only)
        if given == authorization or not may_read:
            raise faults.error("unauthorized", {})
        if given in self.read_only and method != "GET":
            raise faults.error("token_readonly", {})

    def route(self, request):
        for method, pattern, function in self.routes:
            found = pattern.fullmatch(request.path)
            if found and method == request.method:
                return function(request, *(int(number) for number in found.groups()))
        raise ApiError(404, "not_found", "not found", {})

    def note(self, request, status):
        entry = {"time": time.time(), "method": request.method, "path": request.path, "query": request.query,
                 "status": status}
        with self.store.lock, self.log.open("a") as file:
            file.write(json.dumps(entry) + "\n")


class Handler(BaseHTTPRequestHandler):
    # One request a connection: an idle client must not hold one of the threads.
    timeout = SLOWEST_CLIENT
    server_version = "lab"

    def log_message(self, *_):
        pass

    def respond(self):
        url = urlsplit(self.path)
        request = Request(self.command, url.path, parse_qs(url.query))
        try:
            request.body = self.body()
            if request.path.startswith("/_lab/"):
                return self.send(*self.server.control.answer(request))
            self.answer_api(request)
        except ApiError as error:
            self.send(error.status, error.body, error.headers)

    do_GET = do_POST = do_PUT = do_DELETE = respond

    def answer_api(self, request):
        api = self.server.api
        request.path = request.path.removeprefix("/v1")
        try:
            status, body = api.answer(request, self.headers.get("Authorization", ""))
        except ApiError as error:
            api.note(request, error.status)
            raise
        except faults.HtmlError as error:
            api.note(request, error.status)
            page = f"<html><body><h1>{error.status}</h1>The server cannot answer.</body></html>"
            return self.send_bytes(error.status, page.encode(), "text/html", {})
        except faults.CutError:
            api.note(request, "cut")
            return self.cut()
        except Exception as error:
            api.note(request, 500)
            self.send(500, {"error": {"code": "server_error", "message": f"emulator: {error!r}", "details": None}})
            raise
        if faults.DONE_AND_CUT in request.effects:
            api.note(request, "cut")
            return self.cut()
        api.note(request, status)
        self.send(status, body)

    def cut(self):
        """More is announced than comes."""
        self.wfile.write(b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"')

    def body(self):
        length = int(self.headers.get("Content-Length") or 0)
        if length > LONGEST_BODY:
            raise ApiError(413, "invalid_input", "request body is too long", {"fields": []})
        text = self.rfile.read(length)
        try:
            body = json.loads(text) if text else {}
        except ValueError:
            body = None
        if not isinstance(body, dict):
            raise ApiError(400, "json_error", "invalid JSON in request")
        return body

    def send(self, status, body, headers=None):
        text = b"" if body is None else json.dumps(body).encode()
        self.send_bytes(status, text, "application/json", headers or {})

    def send_bytes(self, status, text, kind, headers):
        limits = {
            "RateLimit-Limit": LIMIT, "RateLimit-Remaining": LIMIT - 1, "RateLimit-Reset": int(time.time()) + 1,
            "X-Correlation-Id": secrets.token_hex(8), "Content-Type": kind, "Content-Length": len(text),
        }
        self.send_response(status)
        for name, value in {**limits, **headers}.items():
            self.send_header(name, str(value))
        self.end_headers()
        self.wfile.write(text)
