"""The configuration schema 3.0.0: sections, fields, types, defaults."""
from .fields import (
    MISSING, Refused, Struct, at_least, boolean, choice, external_ip, list_of, secret, socket_address, table_of, text,
    u16, u32, u64, url, usize,
)

HOUR = 3600
DEFAULT_SQLITE = "./storage/tracker/lib/database/sqlite3.db"


def struct(name, strict=True, **fields):
    return Struct(name, fields, strict)


def default_of(section):
    """A section of which nothing is given."""
    return lambda: section({})


METADATA = struct(
    "Metadata", strict=False,
    app=(choice("torrust-tracker"), "torrust-tracker"),
    purpose=(choice("configuration"), "configuration"),
    schema_version=(text, "3.0.0"),
)
LOGGING = struct(
    "Logging",
    trace_filter=(choice("off", "error", "warn", "info", "debug", "trace"), "info"),
    trace_style=(choice("full", "pretty", "compact", "json"), "full"),
)
ANNOUNCE_POLICY = struct(
    "AnnouncePolicy", strict=False,
    interval=(u32, 120), interval_min=(u32, 120), max_peers_per_announce=(usize, 74),
)
TRACKER_POLICY = struct(
    "TrackerPolicy", strict=False,
    max_peer_timeout=(u32, 900),
    persistent_torrent_completed_stat=(boolean, False),
    remove_peerless_torrents=(boolean, True),
)
PRIVATE_MODE = struct("PrivateMode", strict=False, check_keys_expiration=(boolean, True))
RAW_DATABASE = struct(
    "RawDatabase",
    driver=(choice("sqlite3", "mysql", "postgresql"), None),
    path=(text, None), host=(text, None), port=(u16, None), user=(text, None), password=(secret, None),
    database=(text, None),
)


def database(value):
    """The database, by the fields of its driver."""
    raw = RAW_DATABASE(value)
    driver = raw["driver"] or "sqlite3"
    if driver == "sqlite3":
        if any(raw[field] is not None for field in ("host", "port", "user", "password", "database")):
            raise Refused("SQLite database configuration only accepts the `path` field")
        path = DEFAULT_SQLITE if raw["path"] is None else raw["path"]
        return {"driver": driver, "path": path}
    if raw["path"] is not None:
        raise Refused("network database configuration does not accept the `path` field")
    if raw["password"] is not None and not raw["password"].strip():
        raise Refused("network database configuration requires a non-empty `password` field")
    for field in ("password", "host", "user", "database"):
        if raw[field] is None:
            raise Refused(f"network database configuration requires a `{field}` field")
    port = raw["port"] if raw["port"] is not None else {"mysql": 3306, "postgresql": 5432}[driver]
    server = {field: raw[field] for field in ("host", "user", "password", "database")}
    return {"driver": driver, "port": port, **server}


CORE = struct(
    "Core",
    announce_policy=(ANNOUNCE_POLICY, default_of(ANNOUNCE_POLICY)),
    database=(database, None),
    inactive_peer_cleanup_interval=(u64, 600),
    listed=(boolean, False),
    private=(boolean, False),
    private_mode=(PRIVATE_MODE, None),
    tracker_policy=(TRACKER_POLICY, default_of(TRACKER_POLICY)),
    tracker_usage_statistics=(boolean, True),
)
UDP_TRACKER_SERVER = struct(
    "UdpTrackerServer",
    ip_bans_reset_interval_in_secs=(
        at_least(HOUR, u64, f"The IP bans reset interval must be at least {HOUR} seconds."), 24 * HOUR,
    ),
    max_connection_id_errors_per_ip=(u32, 10),
    connection_id_validation=(choice("strict", "disabled"), "strict"),
)
NETWORK = struct(
    "Network",
    external_ip=(external_ip, None), on_reverse_proxy=(boolean, False), ipv6_v6only=(boolean, False),
)
DURATION = struct("Duration", secs=(u64, MISSING), nanos=(u32, MISSING))
TLS_CONFIG = struct("TlsConfig", strict=False, ssl_cert_path=(text, ""), ssl_key_path=(text, ""))
UDP_TRACKER = struct(
    "UdpTracker",
    bind_address=(socket_address, ("0.0.0.0", 6969)),
    cookie_lifetime=(DURATION, lambda: {"secs": 120, "nanos": 0}),
    tracker_usage_statistics=(boolean, False),
    public_url=(url("udp"), None),
    network=(NETWORK, default_of(NETWORK)),
)
HTTP_TRACKER = struct(
    "HttpTracker",
    bind_address=(socket_address, ("0.0.0.0", 7070)),
    tls_config=(TLS_CONFIG, None),
    tracker_usage_statistics=(boolean, False),
    use_ip_from_query_string=(boolean, False),
    public_url=(url("http", "https"), None),
    network=(NETWORK, default_of(NETWORK)),
)
HTTP_API = struct(
    "HttpApi",
    bind_address=(socket_address, ("127.0.0.1", 1212)),
    tls_config=(TLS_CONFIG, None),
    access_tokens=(table_of(secret), dict),
    public_url=(url("http", "https"), None),
)
HEALTH_CHECK_API = struct("HealthCheckApi", bind_address=(socket_address, ("127.0.0.1", 1313)))
CONFIGURATION = struct(
    "Configuration",
    metadata=(METADATA, default_of(METADATA)),
    logging=(LOGGING, default_of(LOGGING)),
    core=(CORE, default_of(CORE)),
    udp_trackers=(list_of(UDP_TRACKER), list),
    http_trackers=(list_of(HTTP_TRACKER), list),
    udp_tracker_server=(UDP_TRACKER_SERVER, default_of(UDP_TRACKER_SERVER)),
    http_api=(HTTP_API, None),
    health_check_api=(HEALTH_CHECK_API, default_of(HEALTH_CHECK_API)),
)
