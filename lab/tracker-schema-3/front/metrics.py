"""The labelled figures: a figure that was never counted is not in the output."""
import datetime
import ipaddress
import json

DESCRIBED = {
    "swarm_coordination_registry_torrents_total": ("gauge", "The total number of torrents."),
    "swarm_coordination_registry_peer_connections_total": ("gauge", "The total number of peer connections (one connection per torrent)."),
    "swarm_coordination_registry_torrents_downloads_total": ("counter", "The total number of torrent downloads."),
    "tracker_core_persistent_torrents_downloads_total": ("counter", "Deprecated: use tracker_core_in_session_torrents_downloads_total or tracker_core_persisted_torrents_downloads_total."),
    "tracker_core_in_session_torrents_downloads_total": ("counter", "The number of torrent downloads completed since this tracker process started."),
    "tracker_core_persisted_torrents_downloads_total": ("counter", "The number of torrent downloads restored from and maintained in persistent storage."),
    "http_tracker_core_requests_received_total": ("counter", "Total number of HTTP requests received"),
    "udp_tracker_core_requests_received_total": ("counter", "Total number of UDP requests received"),
    "udp_tracker_server_requests_aborted_total": ("counter", "Total number of UDP requests aborted"),
    "udp_tracker_server_requests_discarded_total": ("counter", "Total number of UDP requests discarded before processing (e.g. client source port is 0)"),
    "udp_tracker_server_requests_banned_total": ("counter", "Total number of UDP requests banned"),
    "udp_tracker_server_ips_banned_total": ("gauge", "Total number of IPs banned from UDP requests"),
    "udp_tracker_server_connection_id_errors_total": ("counter", "Total number of requests with connection ID errors"),
    "udp_tracker_server_requests_received_total": ("counter", "Total number of UDP requests received"),
    "udp_tracker_server_requests_accepted_total": ("counter", "Total number of UDP requests accepted"),
    "udp_tracker_server_responses_sent_total": ("counter", "Total number of UDP responses sent"),
    "udp_tracker_server_errors_total": ("counter", "Total number of errors processing UDP requests"),
    "udp_tracker_server_performance_avg_processing_time_ns": ("gauge", "Average time to process a UDP request in nanoseconds"),
    "udp_tracker_server_performance_avg_processed_requests_total": ("counter", "Total number of UDP requests processed for the average performance metrics"),
}


class Metrics:
    """All samples, by name and labels."""

    def __init__(self):
        self.samples = {}

    def count(self, name, labels, by=1):
        of_name = self.samples.setdefault(name, {})
        key = tuple(sorted(labels.items()))
        of_name[key] = of_name.get(key, 0) + by

    def set(self, name, labels, value):
        self.samples.setdefault(name, {})[tuple(sorted(labels.items()))] = value

    def drop(self, name):
        self.samples.pop(name, None)

    def sum(self, name, **wanted):
        """Over all samples that have these labels."""
        of_name = self.samples.get(name, {})
        return sum(value for labels, value in of_name.items() if wanted.items() <= dict(labels).items())

    def mean(self, name, **wanted):
        of_name = self.samples.get(name, {})
        values = [value for labels, value in of_name.items() if wanted.items() <= dict(labels).items()]
        return round(sum(values) / len(values)) if values else 0

    def prometheus(self):
        blocks = []
        for name in (name for name in DESCRIBED if self.samples.get(name)):
            kind, description = DESCRIBED[name]
            lines = [f"# HELP {name} {description}", f"# TYPE {name} {kind}"]
            for labels, value in self.samples[name].items():
                inside = ",".join(f'{label}="{escaped(text)}"' for label, text in labels)
                lines.append(f"{name}{{{inside}}} {value}" if inside else f"{name} {value}")
            blocks.append("\n".join(lines))
        return "\n\n".join(blocks)

    def json(self):
        now = datetime.datetime.now(datetime.timezone.utc).isoformat()
        found = []
        for name in (name for name in DESCRIBED if self.samples.get(name)):
            kind, description = DESCRIBED[name]
            samples = [
                {"value": value, "recorded_at": now, "labels": [{"name": label, "value": text} for label, text in labels]}
                for labels, value in self.samples[name].items()
            ]
            found.append({"type": kind, "name": name, "help": description, "samples": samples})
        return json.dumps({"metrics": found})


def escaped(text):
    return str(text).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def family(host):
    return "inet6" if ":" in host else "inet"


def kind(host):
    address = ipaddress.ip_address(host.split("%")[0])
    return "v4_mapped_v6" if address.version == 6 and address.ipv4_mapped else "plain"


class Listener:
    """Something that listens, and the labels of what it counts."""

    def __init__(self, metrics, protocol, config):
        self.metrics, self.protocol, self.config = metrics, protocol, config
        self.host, self.port = config["bind_address"]
        self.counts = config.get("tracker_usage_statistics", False)

    def bound_to(self, port):
        """Port 0 in the configuration is any free one."""
        self.port = port

    @property
    def address(self):
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def labels(self, client, **more):
        labels = {
            "client_address_ip_family": family(client),
            "client_address_ip_type": kind(client),
            "server_binding_address_ip_family": family(self.host),
            "server_binding_address_ip_type": kind(self.host),
            "server_binding_ip": self.host,
            "server_binding_port": str(self.port),
            "server_binding_protocol": self.protocol,
            **more,
        }
        if self.config["public_url"] is not None:
            labels["public_url"] = self.config["public_url"]
        return labels

    def count(self, name, client, **more):
        if self.counts:
            self.metrics.count(name, self.labels(client, **more))

    def resolved(self, client):
        """The peer's address: a loopback one is replaced by the configured external address."""
        external = self.config["network"]["external_ip"]
        return external if external and ipaddress.ip_address(client).is_loopback else client
