"""The way out of the host: routes, and names that it has to resolve."""
import contextlib
import glob
import re
import socket
import subprocess
import time

# Addresses that belong to nobody (RFC 5737, RFC 3849): only which way packets would go is asked, none is sent.
OUTSIDE = {"route_v4": (socket.AF_INET, "192.0.2.1"), "route_v6": (socket.AF_INET6, "2001:db8::1")}
# A name server that is away costs a program several times as much.
NAME_SECONDS = 2


def source(family, address):
    """The address that packets to the world would leave with, where there is a way for them."""
    with contextlib.suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as asked:
        asked.connect((address, 9))
        return asked.getsockname()[0]
    return None


def archives():
    """The machines that apt fetches from."""
    # apt itself passes over all else there: what an upgrade or an editor left.
    files = ["/etc/apt/sources.list", *glob.glob("/etc/apt/sources.list.d/*.list"), *glob.glob("/etc/apt/sources.list.d/*.sources")]
    archive = re.compile(r"^(?:deb\b|URIs:)[^#]*?https?://(?:[^@/\s]*@)?([^/:\s]+)")
    found = [archive.match(line) for file in files for line in lines(file)]
    return sorted({name.group(1) for name in found if name})


def start_names():
    """As every program on the host resolves them, all at once."""
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "text": True}
    return {name: subprocess.Popen(["getent", "ahosts", name], **pipes) for name in archives()}


def end_names(started):
    """The first address of each name."""
    found = {}
    until = time.monotonic() + NAME_SECONDS
    for name, process in started.items():
        try:
            said = process.communicate(timeout=max(0, until - time.monotonic()))[0]
        except subprocess.TimeoutExpired:
            process.kill()
            said = process.communicate()[0]
        found[name] = next(iter(said.split()), None)
    return found


def firewall():
    """Whether ufw is active; nothing where it cannot be asked."""
    with contextlib.suppress(OSError, subprocess.CalledProcessError):
        asked = subprocess.run(["ufw", "status"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True)
        return asked.stdout.startswith("Status: active")
    return None


def network(names):
    routes = {word: source(family, address) for word, (family, address) in OUTSIDE.items()}
    return {**routes, "firewall": firewall(), "names": end_names(names)}
