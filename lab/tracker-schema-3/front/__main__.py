"""usage: torrust-tracker [-c FILE]    A lab stand-in for the tracker after release 3.0.0."""
import asyncio
import os
import shutil
import signal
import socket
import ssl
import sys
import tempfile

from . import database, log
from .api import Api
from .carry import Carry
from .engine import Engine
from .figures import Figures
from .health import Health
from .http_tracker import HttpTracker
from .load import Failure, load, shown
from .metrics import Listener, Metrics
from .udp_tracker import Bans, UdpTracker
from .values import Panic
from .web import listening, serve, tls

USAGE = "Usage: torrust-tracker [OPTIONS]"
HELP = f"""Starts the Torrust Tracker (a lab stand-in)

{USAGE}

Options:
  -c, --config-toml-path <CONFIG_TOML_PATH>  Path of the configuration file, before every other source
  -h, --help                                 Print help
"""


def arguments(words):
    """The file of `-c`, or the end of the program."""
    if not words:
        return None
    if words[0] in ("-h", "--help"):
        print(HELP, end="")
        sys.exit(0)
    name, equals, value = words[0].partition("=")
    if name in ("-c", "--config-toml-path"):
        rest = words[1:] if equals else words[2:]
        value = value if equals else (words[1:] or [""])[0]
        if value and not rest:
            return value
        said = f"unexpected argument '{rest[0]}' found" if rest else "a value is required for '--config-toml-path <CONFIG_TOML_PATH>' but none was supplied"
    else:
        said = f"unexpected argument '{words[0]}' found"
    print(f"error: {said}\n\n{USAGE}\n\nFor more information, try '--help'.", file=sys.stderr)
    sys.exit(2)


class Tracker:
    """All listeners, before the engine."""

    def __init__(self, config, folder):
        self.config, self.folder, self.metrics, self.health = config, folder, Metrics(), Health()
        self.database = database.opened(config["core"]["database"], folder)
        core = config["core"]
        self.carry = Carry(self.database, core["tracker_policy"]["persistent_torrent_completed_stat"])
        self.carry.begin()
        self.engine = Engine(config, self.database, folder)
        self.figures = Figures(config, self.engine, self.metrics, self.carry.total)
        self.bans = Bans(config["udp_tracker_server"], self.metrics)
        # The engine's own bound is 74.
        self.peers = min(core["announce_policy"]["max_peers_per_announce"], 74)
        self.tasks = []

    async def start(self):
        await self.engine.start()
        await self.figures.read()
        for settings in self.config["udp_trackers"]:
            await self.start_udp(settings)
        for settings in self.config["http_trackers"]:
            await self.start_http("http_tracker", settings)
        if self.config["http_api"] is not None:
            await self.start_http("tracker_rest_api", {"network": {"ipv6_v6only": False}, **self.config["http_api"]})
        await self.start_http("health_check_api", {"network": {"ipv6_v6only": False}, "public_url": None, **self.config["health_check_api"]})
        self.tasks = [asyncio.ensure_future(self.bans.reset_for_ever()), asyncio.ensure_future(self.carry.for_ever(self.figures))]

    async def start_udp(self, settings):
        listener = Listener(self.metrics, "udp", settings)
        if self.config["core"]["private"]:
            log.warn("torrust_tracker_lib::app", f"Could not start UDP tracker on: {listener.address} while in private mode. UDP is not safe for private trackers!")
            return
        bound = bind(listener, socket.SOCK_DGRAM)
        await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: UdpTracker(listener, self.engine, self.bans, self.peers), sock=bound
        )
        self.health.add("udp_tracker", "udp", listener)
        log.info("UDP TRACKER", f"Started on: udp://{listener.address}")
        self.say_when_silent(listener)

    async def start_http(self, service, settings):
        protocol = "http" if settings.get("tls_config") is None else "https"
        listener = Listener(self.metrics, protocol, settings)
        try:
            context = tls(settings.get("tls_config"))
        except (OSError, ssl.SSLError) as error:
            raise Failure(f"{service} on {listener.address}: the TLS configuration cannot be used: {error}") from None
        bound = bind(listener, socket.SOCK_STREAM)
        if service == "http_tracker":
            answer = HttpTracker(listener, self.engine, self.peers).answer
            self.say_when_silent(listener)
        elif service == "tracker_rest_api":
            answer = Api(self.config, self.engine, self.figures, self.carry).answer
        else:
            answer = self.health.answer
        await serve(bound, answer, context)
        if service != "health_check_api":
            self.health.add(service, protocol, listener)
        called = {"http_tracker": "HTTP TRACKER", "tracker_rest_api": "API", "health_check_api": "HEALTH CHECK API"}[service]
        log.info(called, f"Started on: {protocol}://{listener.address}")

    @staticmethod
    def say_when_silent(listener):
        if not listener.counts:
            log.warn("STATISTICS", f"Ignoring events from an unknown or metrics-disabled listener {listener.protocol}://{listener.address}")

    async def stop(self):
        for task in self.tasks:
            task.cancel()
        try:
            await self.figures.read()
        except OSError:
            pass  # The engine is gone already.
        await self.engine.stop()
        await self.carry.write(self.figures.persisted)


def bind(listener, kind):
    try:
        bound = listening((listener.host, listener.port), kind, listener.config["network"]["ipv6_v6only"])
    except OSError as error:
        raise Failure(f"could not bind {listener.protocol}://{listener.address}: {error.strerror} (os error {error.errno})") from None
    listener.bound_to(bound.getsockname()[1])
    return bound


async def run(config, folder):
    """Until a signal, or the end of the engine."""
    stop = asyncio.get_running_loop().create_future()
    for name in ("SIGINT", "SIGTERM"):
        asyncio.get_running_loop().add_signal_handler(
            getattr(signal, name), lambda name=name: stop.done() or stop.set_result(name)
        )
    tracker = Tracker(config, folder)
    try:
        await tracker.start()
    except BaseException:
        await tracker.engine.stop()
        raise
    log.info("torrust_tracker", "Tracker shutdown signal handlers installed.")
    ended = asyncio.ensure_future(tracker.engine.process.wait())
    await asyncio.wait([stop, ended], return_when=asyncio.FIRST_COMPLETED)
    if not stop.done():
        raise Failure(f"the engine 3.0.0 ended by itself with exit code {ended.result()}")
    log.info("torrust_tracker", f"Torrust tracker shutting down ({stop.result()}) ...")
    try:
        await asyncio.wait_for(tracker.stop(), 9.5)
    except Exception as error:
        log.error("torrust_tracker", f"not everything was stopped in order: {type(error).__name__}: {error}")
    log.info("torrust_tracker", "Torrust tracker successfully shutdown.")


def main():
    explicit = arguments(sys.argv[1:])
    folder = tempfile.mkdtemp(prefix="lab-tracker-")
    try:
        config = load(os.environ, explicit)
        log.setup(config["logging"])
        log.info("lab stand-in", "This is a lab stand-in for the tracker after release 3.0.0, with the real 3.0.0 as its engine")
        log.info("torrust_tracker_lib::bootstrap::app", f"Configuration:\n{shown(config)}")
        asyncio.run(run(config, folder))
        return 0
    except Failure as failure:
        log.fail(str(failure))
        return 1
    except Panic as panic:
        print(f"thread 'main' panicked:\n{panic}", file=sys.stderr, flush=True)
        return 101
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
