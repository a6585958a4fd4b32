"""The real tracker 3.0.0, which keeps the swarms: it listens on the loopback, and everybody is met by the front."""
import asyncio
import os
import secrets
import signal
import socket
from pathlib import Path
from urllib.parse import quote

from . import log
from .load import Failure
from .web import Client

PROGRAM = "/usr/lib/lab-tracker/torrust-tracker-3.0.0"


class Engine:
    """The process, and how it is asked."""

    def __init__(self, config, database, folder):
        self.config, self.database, self.folder = config, database, folder
        self.token = secrets.token_hex(24)
        self.tracker_port, self.api_port, self.health_port = free_ports(3)
        self.tracker, self.api = Client(self.tracker_port), Client(self.api_port)
        self.process = None

    async def start(self):
        file = Path(self.folder, "tracker-2.0.0.toml")
        file.touch(mode=0o600)
        file.write_text(self.toml(), encoding="utf-8")
        kept = {name: value for name, value in os.environ.items() if not name.upper().startswith("TORRUST_")}
        # It dies with the front, however that ends.
        self.process = await asyncio.create_subprocess_exec(
            "setpriv", "--pdeathsig", "KILL", PROGRAM,
            env={**kept, "TORRUST_TRACKER_CONFIG_TOML_PATH": str(file)}, start_new_session=True,
        )
        for port in (self.tracker_port, self.api_port):
            await self.until_listening(port)
        file.unlink()

    async def until_listening(self, port):
        for _ in range(600):
            if self.process.returncode is not None:
                raise Failure("Tracker dependencies could not be composed. Correct the configured service dependencies "
                              f"and restart: the engine 3.0.0 ended with exit code {self.process.returncode}")
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                return
            except OSError:
                await asyncio.sleep(0.05)
        raise Failure("the engine 3.0.0 does not listen after 30 s")

    async def stop(self):
        if self.process is None or self.process.returncode is not None:
            return
        self.process.send_signal(signal.SIGINT)
        try:
            await asyncio.wait_for(self.process.wait(), 8)
        except asyncio.TimeoutError:
            log.warn("lab stand-in", "the engine 3.0.0 does not stop; it is killed")
            self.process.kill()
            await self.process.wait()

    async def ask_api(self, method, path, query="", headers=None, body=b""):
        token = f"token={self.token}"
        return await self.api.ask(method, f"{path}?{f'{query}&' if query else ''}{token}", headers, body)

    def toml(self):
        core = self.config["core"]
        policy, announce = core["tracker_policy"], core["announce_policy"]
        private_mode = core["private_mode"]
        threshold = "off" if self.config["logging"]["trace_filter"] == "off" else "error"
        lines = [
            "[metadata]", 'schema_version = "2.0.0"',
            # Requests are logged by the front, with their own addresses.
            "[logging]", f'threshold = "{threshold}"',
            "[core]",
            f"listed = {flag(core['listed'])}", f"private = {flag(core['private'])}",
            f"inactive_peer_cleanup_interval = {core['inactive_peer_cleanup_interval']}",
            "tracker_usage_statistics = true",
            "[core.announce_policy]",
            f"interval = {announce['interval']}", f"interval_min = {announce['interval_min']}",
            "[core.tracker_policy]",
            f"max_peer_timeout = {policy['max_peer_timeout']}",
            f"persistent_torrent_completed_stat = {flag(policy['persistent_torrent_completed_stat'])}",
            f"remove_peerless_torrents = {flag(policy['remove_peerless_torrents'])}",
            # The front has resolved each client's address. With the default, 0.0.0.0, a loopback peer would get that.
            "[core.net]", "on_reverse_proxy = true", 'external_ip = "127.0.0.1"',
            "[core.database]", *self.database_lines(),
            "[[http_trackers]]", f'bind_address = "127.0.0.1:{self.tracker_port}"',
            "[http_api]", f'bind_address = "127.0.0.1:{self.api_port}"',
            "[http_api.access_tokens]", f'admin = "{self.token}"',
            "[health_check_api]", f'bind_address = "127.0.0.1:{self.health_port}"',
        ]
        if private_mode is not None:
            lines += ["[core.private_mode]", f"check_keys_expiration = {flag(private_mode['check_keys_expiration'])}"]
        return "\n".join(lines) + "\n"

    def database_lines(self):
        kind, *place = self.database.for_engine()
        if kind == "sqlite3":
            return ['driver = "sqlite3"', f"path = {text(place[0])}"]
        user, password, host, port, name = place
        parts = [quote(part, safe="") for part in (user, password, name)]
        return ['driver = "mysql"', f'path = "mysql://{parts[0]}:{parts[1]}@{host}:{port}/{parts[2]}"']


def flag(value):
    return "true" if value else "false"


def text(value):
    """A text of TOML."""
    escaped = "".join(char if char.isprintable() and char not in '"\\' else f"\\U{ord(char):08X}" for char in value)
    return f'"{escaped}"'


def free_ports(count):
    bound = []
    for _ in range(count):
        probe = socket.socket()
        probe.bind(("127.0.0.1", 0))
        bound.append(probe)
    ports = [probe.getsockname()[1] for probe in bound]
    for probe in bound:
        probe.close()
    return ports
