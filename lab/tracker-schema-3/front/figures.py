"""What is known of the swarms: asked of the engine, and what was completed since the start."""
import json

GAUGES = "swarm_coordination_registry_"


class Figures:
    """The engine's figures, and those that today's tracker makes of them."""

    def __init__(self, config, engine, metrics, completed_before):
        core = config["core"]
        self.engine, self.metrics = engine, metrics
        self.counts = core["tracker_usage_statistics"]
        self.persists = core["tracker_policy"]["persistent_torrent_completed_stat"]
        self.completed_before = completed_before
        self.in_session, self.last, self.seen = 0, None, {}

    async def read(self):
        """The engine's own statistics."""
        answer = await self.engine.ask_api("GET", "/api/v1/stats")
        stats = json.loads(answer.body)
        completed = stats["completed"]
        # A torrent that is forgotten takes its completed downloads along.
        if self.last is not None and completed > self.last:
            self.in_session += completed - self.last
        self.last = completed
        if self.counts:
            self.record(stats)
        return stats

    @property
    def persisted(self):
        return self.completed_before + self.in_session if self.persists else 0

    def record(self, stats):
        self.gauge(GAUGES + "torrents_total", {}, stats["torrents"])
        for role, field in (("seeder", "seeders"), ("leecher", "leechers")):
            self.gauge(GAUGES + "peer_connections_total", {"peer_role": role}, stats[field])
        legacy = self.persisted if self.persists else self.in_session
        self.gauge("tracker_core_persistent_torrents_downloads_total", {}, legacy)
        self.gauge("tracker_core_in_session_torrents_downloads_total", {}, self.in_session)
        self.gauge(GAUGES + "torrents_downloads_total", {}, self.in_session)
        if self.persists:
            self.metrics.set("tracker_core_persisted_torrents_downloads_total", {}, self.persisted)

    def gauge(self, name, labels, value):
        """Absent until there was something to count."""
        key = (name, tuple(labels.items()))
        if value or key in self.seen:
            self.seen[key] = True
            self.metrics.set(name, labels, value)

    async def stats(self):
        """The answer of /api/v1/stats, in today's order of fields."""
        stats = await self.read()
        udp, tcp = "udp_tracker_server_", "http_tracker_core_requests_received_total"
        counted = self.metrics.sum
        found = {
            "torrents": stats["torrents"],
            "seeders": stats["seeders"],
            "completed": (self.persisted if self.persists else self.in_session) if self.counts else 0,
            "completed_in_session": self.in_session if self.counts else 0,
            "completed_persisted": self.persisted,
            "completed_persisted_enabled": self.persists,
            "leechers": stats["leechers"],
        }
        for number, family in (("4", "inet"), ("6", "inet6")):
            announces = counted(tcp, request_kind="announce", client_address_ip_family=family)
            scrapes = counted(tcp, request_kind="scrape", client_address_ip_family=family)
            found[f"tcp{number}_connections_handled"] = announces + scrapes
            found[f"tcp{number}_announces_handled"] = announces
            found[f"tcp{number}_scrapes_handled"] = scrapes
        found["udp_requests_discarded"] = counted(udp + "requests_discarded_total")
        found["udp_requests_aborted"] = counted(udp + "requests_aborted_total")
        found["udp_requests_banned"] = counted(udp + "requests_banned_total")
        found["udp_banned_ips_total"] = counted(udp + "ips_banned_total")
        for request in ("connect", "announce", "scrape"):
            mean = self.metrics.mean(udp + "performance_avg_processing_time_ns", request_kind=request)
            found[f"udp_avg_{request}_processing_time_ns"] = mean
        for number, family in (("4", "inet"), ("6", "inet6")):
            of = {"client_address_ip_family": family}
            accepted = udp + "requests_accepted_total"
            found[f"udp{number}_requests"] = counted(udp + "requests_received_total", **of)
            found[f"udp{number}_connections_handled"] = counted(accepted, request_kind="connect", **of)
            found[f"udp{number}_announces_handled"] = counted(accepted, request_kind="announce", **of)
            found[f"udp{number}_scrapes_handled"] = counted(accepted, request_kind="scrape", **of)
            found[f"udp{number}_responses"] = counted(udp + "responses_sent_total", **of)
            found[f"udp{number}_errors_handled"] = counted(udp + "errors_total", **of)
        return found
