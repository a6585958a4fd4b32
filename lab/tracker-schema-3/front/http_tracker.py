"""The HTTP trackers: who the client is, and what today's tracker refuses; the engine answers the rest."""
import ipaddress
from urllib.parse import unquote_to_bytes

from . import bencode, log
from .web import Answer

TARGET = "HTTP TRACKER"
SCRAPED_AT_ONCE = 100
KINDS = {"announce": "announce", "scrape": "scrape"}


class HttpTracker:
    """One listener."""

    def __init__(self, listener, engine, peers):
        self.listener, self.engine, self.peers = listener, engine, peers
        self.by_proxy = listener.config["network"]["on_reverse_proxy"]

    async def answer(self, request):
        uri = f"{request.path}?{request.query}" if request.query else request.path
        log.info(TARGET, f"request server_socket_addr={self.listener.address} method={request.method} uri={uri}")
        kind = KINDS.get(request.path.strip("/").split("/")[0])
        if kind is None or request.method != "GET":
            return await self.engine.tracker.ask(request.method, uri)
        pairs = [pair for pair in request.query.split("&") if pair]
        wish = next((pair[3:] for pair in pairs if pair.startswith("ip=")), "") if kind == "announce" else ""
        if wish and not self.listener.config["use_ip_from_query_string"]:
            return Answer(200, bencode.failure("Tracker announce error: the `ip` query parameter is not accepted by this tracker"))
        client, header = self.client(request, wish)
        if wish and client is None:
            return Answer(200, bencode.failure("Tracker announce error: the `ip` query parameter is no IP address"))
        query = "&".join(self.bounded(kind, pairs))
        answer = await self.engine.tracker.ask("GET", f"{request.path}?{query}" if query else request.path, header)
        if answer.body.startswith(b"d14:failure reason"):
            return Answer(200, reworded(answer.body))
        # The address of the connection: behind a proxy it is the proxy's family that would be counted.
        counted = client or request.client[0]
        self.listener.count("http_tracker_core_requests_received_total", counted, request_kind=kind)
        return Answer(answer.status, answer.body)

    def client(self, request, wish):
        """The client's address, and the header by which the engine learns it. Without one the engine refuses by itself."""
        if wish:
            address = ip(unquote_to_bytes(wish).decode("latin-1"))
            return address, {"x-forwarded-for": address} if address else {}
        if not self.by_proxy:
            address = request.client[0].split("%")[0]
        else:
            forwarded = request.header("x-forwarded-for") or ""
            address = ip(forwarded.split(",")[-1].strip())
            if address is None:
                return None, {}
        address = self.listener.resolved(address)
        return address, {"x-forwarded-for": address}

    def bounded(self, kind, pairs):
        """What today's tracker silently bounds: torrents of a scrape, peers of an announce."""
        if kind == "scrape":
            hashes = [pair for pair in pairs if pair.startswith("info_hash=")]
            return [pair for pair in pairs if pair not in hashes] + hashes[:SCRAPED_AT_ONCE]
        wanted = next((pair[8:] for pair in pairs if pair.startswith("numwant=")), "")
        if wanted and not wanted.isdigit():
            return pairs
        rest = [pair for pair in pairs if not pair.startswith(("numwant=", "ip="))]
        return rest + [f"numwant={min(int(wanted or self.peers), self.peers)}"]


def ip(text):
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return None


def reworded(body):
    """A refusal in today's words."""
    reason = bencode.decode(body)[b"failure reason"].decode(errors="replace")
    if reason.startswith("Authentication error: Missing authentication key"):
        reason = "Tracker authentication error: Missing authentication key" + reason.partition("authentication key")[2]
    elif reason.startswith("Authentication error:"):
        reason = "Tracker authentication error:" + reason.partition(":")[2]
    return bencode.failure(reason)
