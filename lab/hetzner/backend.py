"""Where servers come from. This one has none: its servers are files, to drive the API alone."""
import ipaddress
import secrets

NETWORK = ipaddress.ip_network("198.19.0.0/16")


def ipv6_network():
    return f"fd5e:1ab:{secrets.randbits(16):x}:{secrets.randbits(16):x}::/64"


class BackendError(Exception):
    pass


class NoBackend:
    """An instance is a file that holds its power state; who deletes the file makes the server vanish."""

    def __init__(self, folder):
        self.folder = folder / "instances"
        self.folder.mkdir(exist_ok=True)

    def addresses(self, taken):
        """For a new server: IPv4 address and IPv6 network."""
        free = next(str(one) for one in NETWORK.hosts() if str(one) not in taken)
        return free, ipv6_network()

    def create(self, server):
        file = self.folder / server["_instance"]
        if not file.exists():
            file.write_text("off")

    def power(self, name, state):
        if self.status(name) is not None:
            (self.folder / name).write_text(state)

    def start(self, name):
        self.power(name, "running")

    def stop(self, name, force):
        self.power(name, "off")

    def restart(self, name):
        self.power(name, "running")

    def status(self, name):
        """`running`, `off`, or None where there is no such instance."""
        file = self.folder / name
        return file.read_text() if file.exists() else None

    def remove(self, server):
        (self.folder / server["_instance"]).unlink(missing_ok=True)

    def adopt(self, _server):
        pass
