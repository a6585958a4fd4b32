"""A small HTTP/1.1 server, and the client that asks the engine."""
import asyncio
import socket
import ssl
from dataclasses import dataclass, field

IDLE = 5  # seconds that today's tracker waits for a request's head, and for its handler
REASONS = {200: "OK", 400: "Bad Request", 404: "Not Found", 408: "Request Timeout", 409: "Conflict",
           500: "Internal Server Error", 502: "Bad Gateway"}


@dataclass
class Request:
    method: str
    path: str
    query: str
    headers: dict
    body: bytes
    client: tuple

    def header(self, name):
        return self.headers.get(name)


@dataclass
class Answer:
    status: int
    body: bytes
    kind: str = "text/plain; charset=utf-8"
    extra: dict = field(default_factory=dict)

    @staticmethod
    def json(text, status=200):
        return Answer(status, text.encode(), "application/json")

    @staticmethod
    def text(text, status=200):
        return Answer(status, text.encode())


def listening(address, kind=socket.SOCK_STREAM, v6only=False):
    """A bound socket. Whether one of IPv6 takes IPv4, too, is the system's choice unless the configuration says no."""
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    bound = socket.socket(family, kind)
    if v6only and family == socket.AF_INET6:
        bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    if kind == socket.SOCK_STREAM:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind(address)
    except OSError:
        bound.close()
        raise
    bound.setblocking(False)
    return bound


def tls(config):
    """The server's side of TLS; None where there is no certificate in the configuration."""
    if config is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(config["ssl_cert_path"], config["ssl_key_path"])
    return context


async def serve(bound, handler, context=None):
    """Answers each request by `handler`."""
    async def talk(reader, writer):
        try:
            while await one(reader, writer, handler):
                pass
        except (OSError, ValueError, asyncio.IncompleteReadError, asyncio.TimeoutError, asyncio.LimitOverrunError):
            pass  # The client is gone, silent, or speaks something else.
        finally:
            writer.close()

    return await asyncio.start_server(talk, sock=bound, ssl=context, backlog=1024)


async def one(reader, writer, handler):
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), IDLE)
    lines = head.decode("latin-1").split("\r\n")
    method, target, version = lines[0].split(" ")
    headers = {}
    for line in filter(None, lines[1:]):
        name, _, value = line.partition(":")
        name = name.strip().lower()
        headers[name] = f"{headers[name]}, {value.strip()}" if name in headers else value.strip()
    body = await asyncio.wait_for(reader.readexactly(int(headers.get("content-length", 0))), IDLE)
    path, _, query = target.partition("?")
    client = writer.get_extra_info("peername")[:2]
    try:
        answer = await asyncio.wait_for(handler(Request(method, path, query, headers, body, client)), IDLE)
    except asyncio.TimeoutError:
        answer = Answer(408, b"")
    wish = headers.get("connection", "").lower()
    keep = wish == "keep-alive" if version == "HTTP/1.0" else wish != "close"
    writer.write(written(answer, method, keep))
    await writer.drain()
    return keep


def written(answer, method, keep):
    head = [f"HTTP/1.1 {answer.status} {REASONS.get(answer.status, 'Unknown')}", f"content-type: {answer.kind}",
            f"content-length: {len(answer.body)}", f"connection: {'keep-alive' if keep else 'close'}"]
    head += [f"{name}: {value}" for name, value in answer.extra.items()]
    return "\r\n".join(head).encode("latin-1") + b"\r\n\r\n" + (b"" if method == "HEAD" else answer.body)


class Client:
    """Asks one server of this machine, over connections that are kept."""

    def __init__(self, port, host="127.0.0.1"):
        self.port, self.host, self.idle = port, host, []

    async def ask(self, method, target, headers=None, body=b""):
        lines = [f"{method} {target} HTTP/1.1", f"host: localhost:{self.port}", f"content-length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        request = "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body
        while self.idle:
            kept = self.idle.pop()
            try:
                return await self.over(kept, request, method)
            except (OSError, asyncio.IncompleteReadError):
                kept[1].close()  # The server had closed it.
        return await self.over(await asyncio.open_connection(self.host, self.port), request, method)

    async def over(self, connection, request, method):
        reader, writer = connection
        try:
            writer.write(request)
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            headers = dict((name.lower(), value.strip()) for name, _, value in (line.partition(":") for line in head[1:]))
            body = await self.body(reader, headers) if method != "HEAD" else b""
        except BaseException:
            writer.close()
            raise
        if headers.get("connection", "").lower() == "close":
            writer.close()
        else:
            self.idle.append(connection)
        return Answer(int(head[0].split(" ")[1]), body, headers.get("content-type", "text/plain; charset=utf-8"))

    @staticmethod
    async def body(reader, headers):
        if headers.get("transfer-encoding", "").lower() != "chunked":
            return await reader.readexactly(int(headers.get("content-length", 0)))
        parts = []
        while size := int((await reader.readline()).split(b";")[0], 16):
            parts.append(await reader.readexactly(size))
            await reader.readline()
        await reader.readline()
        return b"".join(parts)
