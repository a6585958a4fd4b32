"""Servers as instances of the real LXD, through its REST API on a unix socket."""
import http.client
import ipaddress
import json
import os
import secrets
import socket
from pathlib import Path

from backend import BackendError, ipv6_network

SOCKET = os.environ.get("LXD_DIR", "/var/lib/lxd") + "/unix.socket"
IMAGE = "debian13"
PROFILE = "default"
# What is the emulator's own, and whose: the process id tells later whether anybody still needs it.
MARK, OWNER = "user.torrust-tracker-deployer.lab", "user.torrust-tracker-deployer.lab-owner"
SLOWEST = 120
MISSING = 404
# The upper part of the bridge's network, away from what DHCP gives first.
LOWEST_HOST = 100
# Put in before the first boot, whatever the user data says.
SSH_UNITS = ("/etc/systemd/system/ssh.service", "/etc/systemd/system/ssh.socket")
FAILING_SCRIPT = Path("/var/lib/cloud/scripts/per-boot/10-lab")
FAILING = "#!/bin/sh\necho 'lab: this cloud-init was told to fail' >&2\nexit 1\n"


class Connection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("lxd", timeout=SLOWEST)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def call(path, method, url, body=None, headers=None):
    """One request, waited for to its end. None where there is no such thing."""
    text = body if isinstance(body, (str, type(None))) else json.dumps(body)
    connection = Connection(path)
    try:
        connection.request(method, "/1.0" + url, text, headers or {})
        answer = json.loads(connection.getresponse().read())
    except OSError as error:
        raise BackendError(f"LXD does not answer on {path} ({error}); start it: lab/lxd.sh up") from error
    finally:
        connection.close()
    if answer["type"] == "async":
        operation = answer["operation"].removeprefix("/1.0")
        answer = call(path, "GET", f"{operation}/wait?timeout={SLOWEST}")
        if answer["status_code"] != 200:
            raise BackendError(f"LXD: {method} {url}: {answer['err'] or answer['status']}")
        return answer
    if answer["type"] == "error" and answer["error_code"] != MISSING:
        raise BackendError(f"LXD: {method} {url}: {answer['error']}")
    return None if answer["type"] == "error" else answer["metadata"]


def remove(path, name):
    """That it is gone already is as good."""
    state = call(path, "GET", f"/instances/{name}/state")
    if state and state["status"] != "Stopped":
        call(path, "PUT", f"/instances/{name}/state", {"action": "stop", "force": True})
    call(path, "DELETE", f"/instances/{name}")


def alive(process):
    try:
        state = Path("/proc", process, "stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"  # killed, and nobody has asked for its exit code


def clean(path):
    """Removes the emulator's instances whose owner is gone; how many."""
    own = [one for one in call(path, "GET", "/instances?recursion=1") if one["config"].get(MARK) == "hetzner"]
    left = [one["name"] for one in own if not alive(one["config"].get(OWNER, "none"))]
    for name in left:
        remove(path, name)
    return len(left)


class Lxd:
    def __init__(self, path, image, owner):
        self.path = path
        self.image = image
        self.owner = str(owner)
        if self.call("GET", f"/images/aliases/{image}") is None:
            raise BackendError(f"LXD has no image {image}; make it: lab/lxd.sh image")
        profile = self.call("GET", f"/profiles/{PROFILE}")
        self.nic, self.device = next(pair for pair in profile["devices"].items() if pair[1]["type"] == "nic")
        bridge = self.call("GET", f"/networks/{self.device['network']}")["config"]
        interface = ipaddress.ip_interface(bridge["ipv4.address"])
        self.network, self.router = interface.network, str(interface.ip)
        self.has_ipv6 = bridge.get("ipv6.address", "none") != "none"
        state = self.call("GET", f"/networks/{self.device['network']}/state")["addresses"]
        self.gateway = next((one["address"] for one in state if (one["family"], one["scope"]) == ("inet6", "link")), None)

    def call(self, *args):
        return call(self.path, *args)

    def addresses(self, taken):
        """For a new server: an IPv4 address that stays its own, and an IPv6 network that the bridge routes to it."""
        leases = self.call("GET", f"/networks/{self.device['network']}/leases")
        used = taken | {lease["address"] for lease in leases}
        free = [str(one) for one in list(self.network.hosts())[LOWEST_HOST:] if str(one) not in used]
        # Any of them, since other emulators look at the same leases.
        return secrets.choice(free), ipv6_network() if self.has_ipv6 else None

    def create(self, server):
        name = server["_instance"]
        if self.status(name) is not None:
            return
        self.call("POST", "/instances", {
            "name": name, "type": "container", "source": {"type": "image", "alias": self.image},
            "profiles": [PROFILE], "config": self.config(server), "devices": {self.nic: self.interface(server)},
        })
        if "no_ssh" in server["_effects"]:
            for unit in SSH_UNITS:
                self.put(name, unit, "symlink", "/dev/null")
        if "cloud_init_fails" in server["_effects"]:
            for parent in list(reversed(FAILING_SCRIPT.parents))[3:]:
                self.put(name, parent, "directory", "")
            self.put(name, FAILING_SCRIPT, "file", FAILING)

    def put(self, name, path, kind, content):
        headers = {"X-LXD-type": kind, "X-LXD-mode": "0755"}
        self.call("POST", f"/instances/{name}/files?path={path}", content, headers)

    def config(self, server):
        # The root user gets the keys as it does at Hetzner: from the metadata, whatever users the user data makes.
        meta = {"local-hostname": server["name"], "public-keys": server["_ssh_keys"]}
        ipv4, ipv6 = server["public_net"]["ipv4"], server["public_net"]["ipv6"]
        addresses, routes = [], []
        if ipv4:
            # Said here, as a bridge that is just being changed for another instance answers no DHCP.
            addresses.append(f"{ipv4['ip']}/{self.network.prefixlen}")
            routes.append({"to": "0.0.0.0/0", "via": self.router})
        if ipv6:
            # No address but this one, as there: answers of Docker's UDP proxy would come from another.
            addresses.append(ipv6["ip"].replace("/64", "1/64"))
            routes.append({"to": "::/0", "via": self.gateway})
        ethernet = {"dhcp4": False, "accept-ra": False, "addresses": addresses, "routes": routes,
                    "nameservers": {"addresses": [self.router]}}
        return {
            MARK: "hetzner", OWNER: self.owner,
            "user.meta-data": "".join(f"{key}: {json.dumps(value)}\n" for key, value in meta.items()),
            "cloud-init.user-data": server["_user_data"],
            "cloud-init.vendor-data": "#cloud-config\ndisable_root: false\n",
            "cloud-init.network-config": json.dumps({"version": 2, "ethernets": {self.nic: ethernet}}),
        }

    def interface(self, server):
        ipv4, ipv6 = server["public_net"]["ipv4"], server["public_net"]["ipv6"]
        return {
            **self.device,
            **({"ipv4.address": ipv4["ip"]} if ipv4 else {}),
            **({"ipv6.routes": ipv6["ip"]} if ipv6 else {}),
        }

    def power(self, name, action, force):
        self.call("PUT", f"/instances/{name}/state", {"action": action, "force": force, "timeout": SLOWEST})

    def start(self, name):
        if self.status(name) == "off":
            self.power(name, "start", False)

    def stop(self, name, force):
        if self.status(name) == "running":
            self.power(name, "stop", force)

    def restart(self, name):
        if self.status(name) == "running":
            self.power(name, "restart", False)

    def status(self, name):
        """`running`, `off`, or None where there is no such instance."""
        state = self.call("GET", f"/instances/{name}/state")
        return state and {"Running": "running"}.get(state["status"], "off")

    def remove(self, server):
        remove(self.path, server["_instance"])

    def adopt(self, server):
        if self.status(server["_instance"]) is not None:
            self.call("PATCH", f"/instances/{server['_instance']}", {"config": {OWNER: self.owner}})
