"""Reads the state of a host and changes nothing.

usage: python3 - OPTIONS        (OPTIONS is JSON: see configure.yml)

Prints one JSON object: what configure.yml decides from. report.py is appended to this file and adds "results".
"""

import functools
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time

PACKAGES = [
    "ca-certificates", "docker-ce", "docker.io", "iproute2", "logrotate", "prometheus-node-exporter", "systemd-timesyncd",
    "ufw", "unattended-upgrades",
]
TIME_SERVICES = ["systemd-timesyncd", "chrony", "chronyd", "ntpsec", "ntp", "openntpd"]
STEERING = "torrust-tracker-receive-steering"
GUARD = "torrust-tracker-container-guard"
UNITS = TIME_SERVICES + [
    STEERING, GUARD, "docker", "prometheus-node-exporter", "ssh.socket", "logrotate.timer", "apt-daily-upgrade.timer",
]
SYSCTL = "/etc/sysctl.d/60-torrust-tracker.conf"
MARK = " comment 'torrust-tracker-deployer'"
UNPROVEN = "/var/lib/torrust-tracker-deployer/firewall-unproven"
STAMP = "/var/lib/torrust-tracker-deployer/security-updates"


@functools.lru_cache(None)
def run(*words):
    """Exit code and output of a command; 127 where there is no such command."""
    try:
        done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60)
    except FileNotFoundError:
        return 127, words[0] + " is not installed"
    except subprocess.TimeoutExpired:
        return 124, words[0] + " did not answer in 60 s"
    return done.returncode, done.stdout.strip()


def read(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return None


def modified(path):
    """Seconds since 1970; 0 where there is no such file."""
    try:
        return os.stat(path).st_mtime
    except OSError:
        return 0


def pairs(text):
    """The KEY=VALUE lines of os-release and of systemctl show."""
    found = (line.split("=", 1) for line in text.splitlines() if "=" in line and not line.startswith("#"))
    return {key: value.strip('"') for key, value in found}


@functools.lru_cache(None)
def units():
    """All units of interest in one call: what systemd says of each."""
    wanted = "ActiveState,UnitFileState,FragmentPath,DropInPaths,ExecMainStartTimestampMonotonic"
    shown = run("systemctl", "show", "-p", wanted, *UNITS)[1].split("\n\n")
    return dict(zip(UNITS, map(pairs, shown)))


def unit(name):
    shown = units().get(name, {})
    began = int(shown.get("ExecMainStartTimestampMonotonic") or 0) / 1e6 + time.time() - time.monotonic()
    files = [shown.get("FragmentPath", "")] + shown.get("DropInPaths", "").split()
    active = shown.get("ActiveState") == "active"
    return {
        "active": active,
        "enabled": shown.get("UnitFileState") in ("enabled", "static"),
        "began": began,
        # It runs with the settings of before.
        "stale": active and "ExecMainStartTimestampMonotonic" in shown and any(modified(file) > began for file in files),
    }


def operating_system():
    release = pairs(read("/etc/os-release") or "")
    return {
        "id": release.get("ID", ""),
        "version": release.get("VERSION_ID", ""),
        "name": release.get("PRETTY_NAME", "unknown"),
        "codename": release.get("VERSION_CODENAME", ""),
        "architecture": os.uname().machine,
    }


def container():
    """The kind of container this is, or an empty string."""
    kind = run("systemd-detect-virt", "--container")[1]
    return "" if kind == "none" else kind


def cloud_init_running():
    if not shutil.which("cloud-init") or not os.path.isdir("/run/cloud-init"):
        return False
    ended = ("/run/cloud-init/result.json", "/run/cloud-init/disabled", "/etc/cloud/cloud-init.disabled")
    return not any(os.path.exists(path) for path in ended)


def installed():
    listed = run("dpkg-query", "-W", "-f", "${Package} ${db:Status-Status}\n", *PACKAGES)[1].splitlines()
    return [name for name in PACKAGES if name + " installed" in listed]


def packages_broken():
    """An interrupted dpkg leaves its journal, or packages that are unpacked and not configured."""
    return bool(os.listdir("/var/lib/dpkg/updates")) or run("dpkg", "--audit") != (0, "")


def kernel():
    """Each wanted kernel setting with the value in force."""
    found = []
    for key, wanted in re.findall(r"^-(\S+) = (\d+)$", read(SYSCTL) or "", re.M):
        path = "/proc/sys/" + key.replace(".", "/")
        actual = read(path)
        found.append({
            "key": key,
            "wanted": wanted,
            "actual": "absent" if actual is None else actual.strip(),
            # The kernel refuses even root where a value is not the container's own.
            "writable": os.access(path, os.W_OK),
        })
    return found


def unsettled(settings):
    return [entry for entry in settings if entry["actual"] != entry["wanted"] and entry["writable"]]


def ssh_ports():
    """The ports that sshd really listens on, whatever a port mapping in front of the host calls them."""
    ports = set()
    for line in run("ss", "-Hltnp")[1].splitlines():
        address, port = line.split()[3].rsplit(":", 1)
        owners = re.findall(r'"sshd",pid=(\d+)', line)
        # A session's forwarded port is sshd's too, but its process is a child.
        if any(parent(owner) == "1" for owner in owners) and not address.startswith(LOOPBACK):
            ports.add(int(port))
    if unit("ssh.socket")["active"]:
        ports.update(int(port) for port in re.findall(r"\S*:(\d+) \(Stream\)", run("systemctl", "show", "-p", "Listen", "ssh.socket")[1]))
    ports.update(own_port())
    return sorted(ports)


def parent(pid):
    found = re.search(r"^PPid:\s*(\d+)", read("/proc/%s/status" % pid) or "", re.M)
    return found.group(1) if found else "0"


def own_port():
    """The port at which the connection that carries this very script reached sshd."""
    pid = str(os.getpid())
    while pid not in ("0", "1"):
        found = re.search(r"\0SSH_CONNECTION=\S+ \d+ \S+ (\d+)\0", "\0" + (read("/proc/%s/environ" % pid) or ""))
        if found:
            return [int(found.group(1))]
        pid = parent(pid)
    return []


# Nobody but the host itself reaches these.
LOOPBACK = ("127.", "[::1]", "[::ffff:127.")


def denies_incoming(status):
    return "deny (incoming)" in status or "reject (incoming)" in status


@functools.cache
def firewall_holds():
    """Whether incoming connections pass ufw already, so that ours did."""
    if os.path.exists(UNPROVEN):
        # Of a run that was cut off: what was there before it counts.
        before = os.path.dirname(UNPROVEN) + "/firewall-before/etc"
        enabled = re.search(r"^ENABLED=yes", read(before + "/ufw/ufw.conf") or "", re.M)
        return bool(enabled) and not re.search(r'^DEFAULT_INPUT_POLICY="ACCEPT"', read(before + "/default/ufw") or "", re.M)
    status = run("ufw", "status", "verbose")[1]
    return status.startswith("Status: active") and denies_incoming(status)


@functools.cache
def present_rules():
    return re.findall(r"^ufw (.+)$", run("ufw", "show", "added")[1], re.M)


def ssh_rules(ports):
    """A firewall that our connection passes lets in whom its owner wants: it gets no rule for SSH."""
    wanted = ["allow %d/tcp" % port for port in ports]
    if not firewall_holds():
        return wanted
    present = [rule.split(" comment ")[0] for rule in present_rules()]
    return [rule for rule in wanted if rule in present]


# ufw lets these in by itself, or they belong to clients: DHCP, NTP, mDNS, LLMNR, SSDP.
CLIENTS = {"68/udp", "123/udp", "323/udp", "546/udp", "1900/udp", "5353/udp", "5355/tcp", "5355/udp"}


def cut_off(rules):
    """What listens for connections from outside now, and is on none of these rules or those that are there."""
    if firewall_holds():
        return []
    rules, found = rules + present_rules(), {}
    for line in run("ss", "-Hlntup")[1].splitlines():
        protocol, _, _, _, local = line.split()[:5]
        address, port = local.rsplit(":", 1)
        process = re.search(r'users:\(\("([^"]+)"', line)
        name, place = process.group(1) if process else "unknown", "%s/%s" % (port, protocol)
        # What a container publishes passes by ufw; a high UDP port is a client's.
        skipped = name == "docker-proxy" or place in CLIENTS or protocol == "udp" and int(port) >= 32768
        covered = any(re.search(r"(^|[ ,])%s(/%s)?($|[ ,])" % (port, protocol), rule) for rule in rules)
        if not skipped and not covered and not address.startswith(LOOPBACK):
            found[place] = name
    return ["%s (%s)" % pair for pair in found.items()]


def firewall(wanted):
    """ufw's own word, and what keeps it from being as wanted. Only rules with the deployer's mark are ever stale."""
    status = run("ufw", "status", "verbose")[1]
    present = present_rules()
    bare = [re.sub(r"^limit ", "allow ", rule.split(" comment ")[0]) for rule in present]
    ours = [rule[: -len(MARK)] for rule in present if rule.endswith(MARK)]
    return {
        "active": status.startswith("Status: active"),
        "denies": denies_incoming(status),
        "ipv6": not re.search(r"^IPV6=no", read("/etc/default/ufw") or "", re.M),
        "cut_off": cut_off(wanted),
        "missing": [rule for rule in wanted if rule not in bare],
        "stale": [rule for rule in ours if rule not in wanted],
        # A run was cut before the proof, so it is about to be taken back.
        "unproven": os.path.exists(UNPROVEN),
        "enabled": bool(re.search(r"^ENABLED=yes", read("/etc/ufw/ufw.conf") or "", re.M)),
    }


@functools.lru_cache(None)
def docker():
    code, said = run("docker", "info", "--format", "{{json .}}")
    try:
        engine = json.loads(said.splitlines()[-1]) if code == 0 else {}
    except ValueError:
        engine = {}
    code, compose = run("docker", "compose", "version", "--short")
    return {
        "installed": bool(shutil.which("dockerd") and shutil.which("docker")),
        "version": engine.get("ServerVersion", ""),
        "answer": said,
        "log_driver": engine.get("LoggingDriver", ""),
        "swarm": engine.get("Swarm", {}).get("LocalNodeState") == "active",
        "compose": compose.lstrip("v") if code == 0 and re.match(r"v?[2-9]", compose) else "",
    }


@functools.cache
def docker_flags():
    """Docker's settings on its command line: with the same ones in daemon.json as well it does not start."""
    shown = pairs(run("systemctl", "show", "-p", "MainPID,ExecStart", "docker")[1])
    words = (read("/proc/%s/cmdline" % shown.get("MainPID", "0")) or "").split("\0")
    words += shown.get("ExecStart", "").split()
    words += re.findall(r"[^\s\"']+", " ".join(re.findall(r"^\s*DOCKER_OPTS=(.*)$", read("/etc/default/docker") or "", re.M)))
    flags = (re.match(r"--([a-z0-9-]+)(?:=(.*))?$", word) for word in words)
    return {flag.group(1): flag.group(2) or "true" for flag in flags if flag}


def without_ipv6_rules():
    """The settings of this host's owner by which Docker makes no rules for IPv6."""
    values = {**(daemon_settings().get("settings") or {}), **docker_flags()}
    return ["%s = false" % key for key in ("iptables", "ip6tables", "experimental") if str(values.get(key, True)).lower() == "false"]


def daemon_settings():
    """Docker's own daemon.json as it is: somebody's settings may be in it."""
    text = read("/etc/docker/daemon.json")
    try:
        settings = json.loads(text) if text and text.strip() else {}
    except ValueError as error:
        return {"error": str(error)}
    engine = unit("docker")
    return {
        "error": "" if isinstance(settings, dict) else "it is not a JSON object",
        "settings": settings,
        # Docker runs with the settings of before.
        "stale": engine["active"] and modified("/etc/docker/daemon.json") > engine["began"],
    }


def ipv6():
    """Whether the kernel has it at all."""
    return os.path.exists("/proc/net/if_inet6")


def checksum(path):
    try:
        with open(path, "rb") as file:
            return hashlib.sha256(file.read()).hexdigest()
    except OSError:
        return ""


def time_service():
    return next((name for name in TIME_SERVICES if unit(name)["active"]), "")


def last_updates():
    """What the last successful run of the security updates wrote, and its age in hours: a large one if there was none."""
    return {"hours": round((time.time() - modified(STAMP)) / 3600, 1), "detail": (read(STAMP) or "").strip()}


def observe(options):
    settings = kernel()
    folders = ["/etc/docker"] + [os.path.dirname("/" + path) for path in options["files"]]
    ports = ssh_ports()
    options["rules"] = ssh_rules(ports) + options["rules"]
    return {
        "os": operating_system(),
        "container": container(),
        "cloud_init_running": cloud_init_running(),
        "installed": installed(),
        "packages_broken": packages_broken(),
        "docker": docker(),
        "daemon": {**daemon_settings(), "flags": docker_flags(), "without_ipv6_rules": without_ipv6_rules()},
        "ipv6": ipv6(),
        "folders_missing": sorted({folder for folder in folders if not os.path.isdir(folder)}),
        "checksums": {path: checksum("/" + path) for path in options["files"]},
        "kernel_unsettled": bool(unsettled(settings)) or not settings,
        "steering": unit(STEERING),
        "guard": unit(GUARD),
        "docker_unit": unit("docker"),
        "node_exporter": unit("prometheus-node-exporter"),
        "time_service": time_service(),
        "ssh_ports": ports,
        "firewall": firewall(options["rules"]),
        "last_updates": last_updates(),
    }
