"""A lab stand-in for what the tracker's API has in builds after 3.0.0: Prometheus output, and the token in a header.

usage: front.py PORT API_PORT    answers on PORT, with the figures of the real 3.0.0 whose API is on API_PORT

Names and labels are those of the newer builds. What 3.0.0 does not count, such as errors, is 0.
"""
import json
import sys
import urllib.error
import urllib.parse
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

FAMILIES = (("4", "inet", "0.0.0.0"), ("6", "inet6", "[::]"))
KINDS = {"connect": "connections", "announce": "announces", "scrape": "scrapes"}
# What newer builds have beside the fields that 3.0.0 has.
ZERO_STATS = ("udp_requests_discarded", "udp_requests_aborted", "udp_requests_banned", "udp_banned_ips_total") + tuple(
    f"udp_avg_{kind}_processing_time_ns" for kind in KINDS
)


def stats_lines(stats):
    lines = [f"{name} {value}" for name, value in stats.items()]
    lines += [f"{name} 0" for name in ZERO_STATS]
    for number, _, _ in FAMILIES:
        requests = sum(stats[f"udp{number}_{field}_handled"] for field in KINDS.values())
        lines += [f"udp{number}_requests {requests}", f"udp{number}_responses {requests}", f"udp{number}_errors_handled 0"]
    # The real ones, too, end without a line break.
    return "\n".join(lines)


class Metrics:
    """The text of labelled metrics."""

    def __init__(self):
        self.lines, self.described = [], set()

    def add(self, kind, name, value, **labels):
        if name not in self.described:
            self.described.add(name)
            self.lines.append(f"# TYPE {name} {kind}")
        shown = ",".join(f'{label}="{text}"' for label, text in sorted(labels.items()))
        self.lines.append(f"{name}{{{shown}}} {value}" if shown else f"{name} {value}")


def metrics_text(stats):
    metrics = Metrics()
    metrics.add("gauge", "swarm_coordination_registry_torrents_total", stats["torrents"])
    for role, field in (("seeder", "seeders"), ("leecher", "leechers")):
        metrics.add("gauge", "swarm_coordination_registry_peer_connections_total", stats[field], peer_role=role)
    metrics.add("counter", "tracker_core_persistent_torrents_downloads_total", stats["completed"])
    for name in ("udp_tracker_server_requests_received_total", "udp_tracker_server_responses_sent_total"):
        for family in FAMILIES:
            add_requests(metrics, stats, name, family)
    by_kind = [(kind, field, family) for kind, field in KINDS.items() for family in FAMILIES]
    for kind, field, family in by_kind:
        value = stats[f"udp{family[0]}_{field}_handled"]
        metrics.add("counter", "udp_tracker_server_requests_accepted_total", value, request_kind=kind, **binding(family, "udp", 6969))
    for kind, field, family in by_kind:
        if kind != "connect":
            value = stats[f"tcp{family[0]}_{field}_handled"]
            metrics.add("counter", "http_tracker_core_requests_received_total", value, request_kind=kind, **binding(family, "http", 7070))
    for name in ("errors", "requests_aborted", "requests_banned"):
        for family in FAMILIES:
            metrics.add("counter", f"udp_tracker_server_{name}_total", 0, **binding(family, "udp", 6969))
    for kind, _, family in by_kind:
        name = "udp_tracker_server_performance_avg_processing_time_ns"
        metrics.add("gauge", name, 0, request_kind=kind, **binding(family, "udp", 6969))
    metrics.add("gauge", "udp_tracker_server_ips_banned_total", 0)
    return "\n".join(metrics.lines)


def add_requests(metrics, stats, name, family):
    value = sum(stats[f"udp{family[0]}_{field}_handled"] for field in KINDS.values())
    result = {"result": "ok"} if "responses" in name else {}
    metrics.add("counter", name, value, **result, **binding(family, "udp", 6969))


def binding(family, protocol, port):
    _, name, address = family
    return {
        "client_address_ip_family": name,
        "server_binding_address_ip_family": name,
        "server_binding_ip": address,
        "server_binding_port": port,
        "server_binding_protocol": protocol,
    }


class Front(BaseHTTPRequestHandler):
    """Passes requests on to the API, but for those that ask for Prometheus output."""

    def pass_on(self):
        url = urllib.parse.urlsplit(self.path)
        query = urllib.parse.parse_qs(url.query)
        kind, _, token = (self.headers["Authorization"] or "").partition(" ")
        if kind == "Bearer":
            query["token"] = [token]
        output = {"/api/v1/stats": stats_lines, "/api/v1/metrics": metrics_text}.get(url.path)
        if output and query.get("format") == ["prometheus"]:
            status, body, content_type = self.ask("/api/v1/stats", query)
            if status == 200:
                body, content_type = output(json.loads(body)).encode(), "text/plain; charset=utf-8"
        else:
            status, body, content_type = self.ask(url.path, query)
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_DELETE = pass_on

    def ask(self, path, query):
        data = self.rfile.read(int(self.headers.get("Content-Length", 0))) or None
        address = f"http://127.0.0.1:{sys.argv[2]}{path}?{urllib.parse.urlencode(query, doseq=True)}"
        request = urllib.request.Request(address, data, method=self.command)
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status, answer.read(), answer.headers["Content-Type"]
        except urllib.error.HTTPError as error:
            return error.code, error.read(), error.headers.get("Content-Type", "text/plain")
        except OSError as error:
            return 502, str(error).encode(), "text/plain"

    def log_message(self, *_):
        """The tracker logs its requests itself."""


ThreadingHTTPServer(("", int(sys.argv[1])), Front).serve_forever()
