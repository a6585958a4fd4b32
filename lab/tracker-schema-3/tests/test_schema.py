"""Fields, types, bounds and unknown keys: section 2 of what is known of today's tracker."""
import unittest

from .samples import MYSQL, SMALL, SQLITE, Case

DEFAULTS = {
    "core.tracker_usage_statistics": True,
    "core.inactive_peer_cleanup_interval": 600,
    "core.private_mode": None,
    "core.announce_policy.interval": 120,
    "core.announce_policy.interval_min": 120,
    "core.announce_policy.max_peers_per_announce": 74,
    "core.tracker_policy.max_peer_timeout": 900,
    "core.tracker_policy.persistent_torrent_completed_stat": False,
    "core.tracker_policy.remove_peerless_torrents": True,
    "core.database": None,
    "logging.trace_style": "full",
    "udp_tracker_server.connection_id_validation": "strict",
    "udp_tracker_server.max_connection_id_errors_per_ip": 10,
    "udp_tracker_server.ip_bans_reset_interval_in_secs": 86400,
    "udp_trackers": [],
    "http_trackers": [],
    "http_api": None,
    "health_check_api.bind_address": ("127.0.0.1", 1313),
}
NETWORK = {"external_ip": None, "on_reverse_proxy": False, "ipv6_v6only": False}


def at(config, path):
    for key in path.split("."):
        config = config[key]
    return config


class Fields(Case):
    """Defaults and types."""

    def test_defaults(self):
        config = self.load()
        for path, value in DEFAULTS.items():
            with self.subTest(path):
                self.assertEqual(at(config, path), value)

    def test_defaults_of_listeners(self):
        config = self.load("[[udp_trackers]]\n[[http_trackers]]\n[http_api]\n")
        self.assertEqual(config["udp_trackers"][0], {
            "bind_address": ("0.0.0.0", 6969), "cookie_lifetime": {"secs": 120, "nanos": 0},
            "tracker_usage_statistics": False, "public_url": None, "network": NETWORK})
        self.assertEqual(config["http_trackers"][0], {
            "bind_address": ("0.0.0.0", 7070), "tls_config": None, "tracker_usage_statistics": False,
            "use_ip_from_query_string": False, "public_url": None, "network": NETWORK})
        self.assertEqual(config["http_api"], {
            "bind_address": ("127.0.0.1", 1212), "tls_config": None, "access_tokens": {}, "public_url": None})

    def test_unknown_keys_are_refused_here(self):
        for section in ("", "[logging.x]", "[core.net]", "[[udp_trackers]]", "[udp_tracker_server]", "[[http_trackers]]",
                        "[http_api]", "[health_check_api]", "[[udp_trackers]]\n[udp_trackers.network]",
                        "[[http_trackers]]\n[http_trackers.network]", SQLITE, MYSQL):
            with self.subTest(section):
                base = SMALL if section else "nonsense = 1\n" + SMALL
                self.refused("unknown field", base=base, more=f"{section}\nnonsense = 1\n" if section else "")

    def test_unknown_keys_are_ignored_there(self):
        private = SMALL.replace("private = false", "private = true") + SQLITE
        for section in ("[core.announce_policy]", "[core.tracker_policy]", "[core.private_mode]",
                        "[http_api.tls_config]"):
            with self.subTest(section):
                self.load(f"{section}\nnonsense = 1\n", base=private)
        self.load(base=SMALL.replace("[metadata]", "[metadata]\nnonsense = 1"))

    def test_names_of_schema_2_are_refused(self):
        for more in ("[core.net]\nexternal_ip = \"203.0.113.1\"", "[[http_trackers]]\n[http_trackers.tsl_config]",
                     "[[udp_trackers]]\nmax_connection_id_errors_per_ip = 1", "[[udp_trackers]]\nipv6_v6only = true"):
            with self.subTest(more):
                self.refused("unknown field", more=more)

    def test_values_that_are_refused(self):
        for more, said in {
            "[core.announce_policy]\ninterval = 4294967296": "expected u32",
            "[core.announce_policy]\ninterval = -1": "expected u32",
            "[core.announce_policy]\ninterval = \"300\"": "invalid type",
            "[udp_tracker_server]\nip_bans_reset_interval_in_secs = 3599": "must be at least 3600 seconds",
            "[udp_tracker_server]\nconnection_id_validation = \"Strict\"": "unknown variant",
            "[[udp_trackers]]\nbind_address = \"localhost:6969\"": "invalid socket address syntax",
            "[[udp_trackers]]\nbind_address = \"0.0.0.0\"": "invalid socket address syntax",
            "[[udp_trackers]]\npublic_url = \"https://x.test\"": "invalid scheme",
            "[[http_trackers]]\npublic_url = \"udp://x.test:1\"": "invalid scheme",
            "[[http_trackers]]\npublic_url = \"x.test\"": "invalid URL",
            "[[udp_trackers]]\ncookie_lifetime = 120": "invalid type",
            "[[udp_trackers]]\ncookie_lifetime = { secs = 1 }": "missing field `nanos`",
            "[[http_trackers]]\n[http_trackers.network]\nexternal_ip = \"0.0.0.0\"": "must not be unspecified",
            "[[http_trackers]]\n[http_trackers.network]\nexternal_ip = \"::\"": "must not be unspecified",
            "[[http_trackers]]\nuse_ip_from_query_string = 1": "expected a boolean",
        }.items():
            with self.subTest(more):
                self.refused(said, more=more)
        self.refused("unknown variant", base=SMALL.replace('"info"', '"Info"'))
        self.refused("unknown variant", LOGGING__TRACE_STYLE="colourful")

    def test_values_that_are_taken(self):
        config = self.load("[core.announce_policy]\ninterval = 4294967295\n[[udp_trackers]]\nbind_address = \"[::]:0\"\n"
                           "public_url = \"udp://x.test:6969/announce\"\ncookie_lifetime = { secs = 60, nanos = 5 }\n"
                           "[[http_trackers]]\npublic_url = \"https://x.test\"\n")
        self.assertEqual(config["udp_trackers"][0]["bind_address"], ("::", 0))
        # A URL without a path gets one.
        self.assertEqual(config["http_trackers"][0]["public_url"], "https://x.test/")

    def test_several_access_tokens(self):
        api = self.load('[http_api.access_tokens]\nadmin = "a"\nothers = "b"\n')["http_api"]
        self.assertEqual(api["access_tokens"], {"admin": "a", "others": "b"})


class Databases(Case):
    """Fields of each driver."""

    def test_sqlite(self):
        self.assertEqual(self.load(SQLITE)["core"]["database"], {"driver": "sqlite3", "path": "/tmp/x.db"})
        for field in ('host = "x"', "port = 1", 'user = "x"', 'password = "x"', 'database = "x"'):
            with self.subTest(field):
                self.refused("only accepts the `path` field", more=f"{SQLITE}{field}\n")

    def test_servers(self):
        for driver, port in (("mysql", 3306), ("postgresql", 5432)):
            given = MYSQL.replace('driver = "mysql"', f'driver = "{driver}"')
            with self.subTest(driver):
                self.assertEqual(self.load(given)["core"]["database"]["port"], port)
                self.refused("does not accept the `path` field", more=given + 'path = "x"\n')
                self.refused("non-empty `password`", more=given.replace('"secret"', '"  "'))
                for field in ("host", "user", "password", "database"):
                    rest = "\n".join(line for line in given.split("\n") if not line.startswith(field))
                    self.refused(f"requires a `{field}` field", more=rest)

    def test_an_unknown_driver(self):
        self.refused("unknown variant: found `sqlite`", CORE__DATABASE__DRIVER="sqlite")


if __name__ == "__main__":
    unittest.main()
