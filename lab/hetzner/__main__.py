"""An emulator of the part of the Hetzner Cloud API that its OpenTofu provider uses. Its servers are lab instances.

  lab/hetzner.sh serve --state DIR --token TOKEN   answers on 127.0.0.1 until SIGTERM, then removes its servers.
                                                   Prints the endpoint and writes it to DIR/endpoint
  lab/hetzner.sh clean                             removes the instances that killed emulators left
  lab/hetzner.sh test                              its tests, which need no LXD

A token has 64 characters. Use, where `endpoint` is what was printed:

  HCLOUD_ENDPOINT=$endpoint HCLOUD_TOKEN=$token tofu apply
  curl -H "Authorization: Bearer $token" $endpoint/servers
  control=${endpoint%/v1}/_lab
  curl -d '{"fault": "locked", "method": "POST", "path": "/servers", "times": 2}' $control/faults
  curl -X DELETE $control/faults                        all switches off
  curl $control/requests                                what was asked and answered; DELETE forgets it
  curl $control/servers                                 what is left; ssh_keys, firewalls and actions likewise

Killed and started again with the same --state it knows its servers, goes on with their actions, and has the same port.
A fault: `fault` (a wrong name lists all), `method` and `path` (patterns, any), `times` (1; null: until cleared); for
slow_action `seconds`; for action_fails `code` and `message`, and these for API errors too; for rate_limit_exceeded
`retry_after` seconds.
"""
import argparse
import os
import signal
import sys
import threading
from pathlib import Path

import catalog
import lists
import lxd
from actions import Actions
from backend import BackendError, NoBackend
from control import Control
from errors import not_found
from firewalls import Firewalls
from keys import Keys
from servers import Servers
from store import Store, public
from web import Api, Server

TOKEN_LENGTH = 64


def token(text):
    if len(text) != TOKEN_LENGTH:
        raise argparse.ArgumentTypeError(f"has {len(text)} characters and needs {TOKEN_LENGTH}")
    return text


def arguments():
    parser = argparse.ArgumentParser(
        prog="lab/hetzner.sh", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    serve = commands.add_parser("serve", help="answer the API")
    serve.add_argument("--state", type=Path, required=True, help="folder for what must survive a kill")
    serve.add_argument("--token", type=token, action="append", required=True, help="accepted; may be repeated")
    serve.add_argument("--read-only-token", type=token, action="append", default=[], help="accepted for GET")
    serve.add_argument("--port", type=int, default=0, help="0: the same as before, else a free one")
    serve.add_argument("--owner", type=int, default=os.getpid(), help="process id; its instances go once it is gone")
    serve.add_argument("--backend", choices=["lxd", "none"], default="lxd")
    for command in (serve, commands.add_parser("clean", help="remove what killed emulators left")):
        command.add_argument("--socket", default=lxd.SOCKET, help="LXD's")
    serve.add_argument("--image", default=lxd.IMAGE, help="local LXD image that stands in for all images")
    return parser.parse_args()


def listing(kind, records):
    def show(_request, number):
        found = next((record for record in records() if record["id"] == number), None)
        if found is None:
            raise not_found(kind, number)
        return 200, {kind: public(found)}
    return [
        ("GET", f"/{kind}s", lambda request: (200, lists.page(f"{kind}s", [*map(public, records())], request.query))),
        ("GET", rf"/{kind}s/(\d+)", show),
    ]


def build(options):
    options.state.mkdir(parents=True, exist_ok=True)
    store, log = Store(options.state), options.state / "requests.jsonl"
    backend = NoBackend(options.state)
    if options.backend == "lxd":
        backend = lxd.Lxd(options.socket, options.image, options.owner)
    actions = Actions(store)
    servers = Servers(store, actions, backend, options.owner)
    routes = Keys(store).routes() + Firewalls(store, actions).routes() + servers.routes()
    routes += listing("server_type", lambda: catalog.SERVER_TYPES) + listing("image", lambda: catalog.IMAGES)
    routes += listing("location", lambda: catalog.LOCATIONS) + listing("action", lambda: store.all("actions"))
    api = Api(store, routes, options.token, options.read_only_token, log)
    return servers, actions, api, Control(store, log)


def port(options):
    """A restarted emulator must be found where it was."""
    file = options.state / "endpoint"
    return options.port or (int(file.read_text().split(":")[2].split("/")[0]) if file.exists() else 0)


def serve(options):
    servers, actions, api, control = build(options)
    with Server(("127.0.0.1", port(options)), api, control) as server:
        servers.adopt_all()
        actions.resume()
        endpoint = f"http://127.0.0.1:{server.server_port}/v1"
        for number in (signal.SIGTERM, signal.SIGINT):
            # From a thread: the handler runs in the loop that it is to end.
            signal.signal(number, lambda *_: threading.Thread(target=server.shutdown).start())
        (options.state / "endpoint").write_text(endpoint)
        print(endpoint, flush=True)
        server.serve_forever(poll_interval=0.1)
    actions.stop()
    servers.drop_all()


def main():
    options = arguments()
    try:
        if options.command == "clean":
            print(f"lab: instances removed: {lxd.clean(options.socket)}")
        else:
            serve(options)
    except (BackendError, OSError) as error:
        sys.exit(f"lab: {error}")


main()
