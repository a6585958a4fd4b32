"""The UDP trackers (BEP 15): connection ids, bans and counts are the front's; announces and scrapes go to the engine with
the client's own address."""
import asyncio
import hashlib
import hmac
import ipaddress
import secrets
import struct
import time

from . import bencode, log

TARGET = "UDP TRACKER"
PROTOCOL_ID = 0x41727101980
ACTIONS = {0: "connect", 1: "announce", 2: "scrape"}
EVENTS = {1: "completed", 2: "started", 3: "stopped"}
SCRAPED_AT_ONCE = 74
AT_ONCE = 50
SERVER = "udp_tracker_server_"


class Refusal(Exception):
    """What the client is told."""


class Bans:
    """Wrong connection ids per address, of all UDP trackers together."""

    def __init__(self, settings, metrics):
        self.settings, self.metrics, self.errors = settings, metrics, {}
        self.limit = settings["max_connection_id_errors_per_ip"]

    def banned(self, ip):
        return self.errors.get(ip, 0) > self.limit

    def error(self, ip):
        self.errors[ip] = self.errors.get(ip, 0) + 1
        # Today's tracker counts here who has made an error since the last reset, not who is banned.
        self.metrics.set(SERVER + "ips_banned_total", {}, len(self.errors))
        if self.errors[ip] == self.limit + 1:
            log.warn(TARGET, f"IP banned for too many wrong connection ids ip={ip}")

    async def reset_for_ever(self):
        while True:
            await asyncio.sleep(self.settings["ip_bans_reset_interval_in_secs"])
            self.errors.clear()


class Cookies:
    """Connection ids: they hold for a time, for an address with its port."""

    def __init__(self, lifetime):
        self.lifetime = lifetime["secs"] + lifetime["nanos"] / 1e9
        self.seed, self.began = secrets.token_bytes(32), time.monotonic()

    def make(self, client):
        return self.signed(int((time.monotonic() - self.began) * 10), client)

    def signed(self, tenths, client):
        stamp = struct.pack(">I", tenths)
        place = f"{client[0]} {client[1]}".encode()
        return stamp + hmac.new(self.seed, stamp + place, hashlib.sha256).digest()[:4]

    def check(self, cookie, client):
        tenths = struct.unpack(">I", cookie[:4])[0]
        age = time.monotonic() - self.began - tenths / 10
        if not hmac.compare_digest(cookie, self.signed(tenths, client)):
            raise Refusal("Connection cookie error: cookie value is not valid for this client")
        if not -1 < age <= self.lifetime:
            raise Refusal(f"Connection cookie error: cookie value is expired: {age:.1f} s old")


class UdpTracker(asyncio.DatagramProtocol):
    """One listener."""

    def __init__(self, listener, engine, bans, peers):
        self.listener, self.engine, self.bans, self.peers = listener, engine, bans, peers
        self.cookies = Cookies(listener.config["cookie_lifetime"])
        self.strict = bans.settings["connection_id_validation"] == "strict"
        self.transport, self.tasks, self.times = None, [], {}

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, client):
        ip = client[0].split("%")[0]
        self.listener.count(SERVER + "requests_received_total", ip)
        if client[1] == 0:
            self.listener.count(SERVER + "requests_discarded_total", ip)
        elif self.bans.banned(ip):
            self.listener.count(SERVER + "requests_banned_total", ip)
        else:
            self.tasks = [task for task in self.tasks if not task.done()]
            if len(self.tasks) >= AT_ONCE:
                self.tasks.pop(0).cancel()
                self.listener.count(SERVER + "requests_aborted_total", ip)
            self.tasks.append(asyncio.ensure_future(self.process(data, client, ip)))

    async def process(self, data, client, ip):
        began = time.monotonic_ns()
        if len(data) < 16:
            self.listener.count(SERVER + "errors_total", ip)
            return
        cookie, action, transaction = struct.unpack(">8sI4s", data[:16])
        kind = ACTIONS.get(action)
        try:
            body = await self.reply(kind, cookie, data, client, ip)
            answer, result = struct.pack(">I4s", action, transaction) + body, {"result": "ok"}
        except (Refusal, OSError, ValueError, struct.error, asyncio.IncompleteReadError) as error:
            self.listener.count(SERVER + "errors_total", ip, **({"request_kind": kind} if kind else {}))
            answer, result = struct.pack(">I4s", 3, transaction) + str(error).encode(), {"result": "error"}
        if kind:
            result["request_kind"] = kind
            self.took(kind, ip, time.monotonic_ns() - began)
        self.transport.sendto(answer, client)
        self.listener.count(SERVER + "responses_sent_total", ip, **result)

    def took(self, kind, ip, nanoseconds):
        """The running mean of each kind."""
        if not self.listener.counts:
            return
        labels = self.listener.labels(ip, request_kind=kind)
        number, mean = self.times.get((kind, labels["client_address_ip_family"]), (0, 0.0))
        number, mean = number + 1, mean + (nanoseconds - mean) / (number + 1)
        self.times[kind, labels["client_address_ip_family"]] = number, mean
        self.listener.metrics.set(SERVER + "performance_avg_processing_time_ns", labels, round(mean))
        self.listener.metrics.count(SERVER + "performance_avg_processed_requests_total", labels)

    async def reply(self, kind, cookie, data, client, ip):
        if kind == "connect":
            if struct.unpack(">Q", cookie)[0] != PROTOCOL_ID:
                raise Refusal("bad request: invalid protocol identifier")
            self.accepted(kind, ip)
            return self.cookies.make(client)
        if kind is None:
            raise Refusal("bad request: invalid action")
        if self.strict:
            try:
                self.cookies.check(cookie, client)
            except Refusal:
                self.listener.count(SERVER + "connection_id_errors_total", ip)
                self.bans.error(ip)
                raise
        body = await (self.announce(data, ip) if kind == "announce" else self.scrape(data, ip))
        self.accepted(kind, ip)
        return body

    def accepted(self, kind, ip):
        self.listener.count(SERVER + "requests_accepted_total", ip, request_kind=kind)
        self.listener.count("udp_tracker_core_requests_received_total", ip, request_kind=kind)

    async def announce(self, data, ip):
        if len(data) < 98:
            raise Refusal("bad request: the announce is cut off")
        info_hash, peer, done, left, up, event, _, _, wanted, port = struct.unpack(">20s20sqqqIIIiH", data[16:98])
        wanted = self.peers if wanted <= 0 else min(wanted, self.peers)
        query = (
            f"info_hash={encoded(info_hash)}&peer_id={encoded(peer)}&port={port}&uploaded={up}&downloaded={done}&left={left}"
            f"&compact=1&numwant={wanted}" + (f"&event={EVENTS[event]}" if event in EVENTS else "")
        )
        found = await self.ask("/announce", query, ip)
        peers = found.get(b"peers6" if ":" in ip else b"peers", b"")
        size = 18 if ":" in ip else 6
        return struct.pack(">III", found[b"interval"], found[b"incomplete"], found[b"complete"]) + peers[: size * wanted]

    async def scrape(self, data, ip):
        hashes = [data[at : at + 20] for at in range(16, len(data) - 19, 20)][:SCRAPED_AT_ONCE]
        if not hashes:
            raise Refusal("bad request: a scrape without a torrent")
        query = "&".join(f"info_hash={encoded(one)}" for one in hashes)
        files = (await self.ask("/scrape", query, ip))[b"files"]
        nothing = {b"complete": 0, b"downloaded": 0, b"incomplete": 0}
        numbers = [files.get(one, nothing) for one in hashes]
        return b"".join(struct.pack(">III", one[b"complete"], one[b"downloaded"], one[b"incomplete"]) for one in numbers)

    async def ask(self, path, query, ip):
        address = self.listener.resolved(str(ipaddress.ip_address(ip)))
        answer = await self.engine.tracker.ask("GET", f"{path}?{query}", {"x-forwarded-for": address})
        found = bencode.decode(answer.body)
        if b"failure reason" in found:
            raise Refusal(f"tracker {path[1:]} error: " + found[b"failure reason"].decode(errors="replace"))
        return found


def encoded(data):
    return "".join(f"%{byte:02X}" for byte in data)
