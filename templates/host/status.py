"""Looks at the host, as root, and tells what it saw: one JSON document a look, each on a line of its own.

usage: status.py     one JSON document on standard input says what to look at:
    deep        whether to look at more than the containers
    images      the image references that containers should have
    checks      [name, command for bash] pairs, run in /opt/torrust
    figures     null, or what asks the tracker's API for its figures: container, port, path
    interval    null for one look, else the seconds between looks, until input ends. Meanwhile each line of input is
                "log CONTAINER", whose last lines are told from then on, or "refresh"
"""
import contextlib
import ctypes
import functools
import glob
import hashlib
import http.client
import json
import os
import re
import select
import socket
import subprocess
import sys
import time

ROOT = "/opt/torrust"
PROJECT = "torrust"
# A processor's share over less than this jumps.
CPU_WINDOW = 0.15
# Counting what is in the folders may not take longer; what was counted by then is told as such.
COUNT_SECONDS = 0.3
DEEP_SECONDS = 60
LOG_LINES = 200


class Docker(http.client.HTTPConnection):
    """Docker's API on its socket: its command line takes a tenth of a second for each question."""

    def __init__(self):
        super().__init__("docker", timeout=10)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect("/var/run/docker.sock")

    def ask(self, path):
        self.request("GET", path)
        answer = self.getresponse()
        body = answer.read()
        # Docker/26.1.5 (linux); the question for the version has all its programs started.
        self.version = answer.getheader("Server", "").removeprefix("Docker/").partition(" ")[0]
        return body if answer.status == 200 else None

    def get(self, path):
        body = self.ask(path)
        return body and json.loads(body)


def usage(stats):
    """Processor nanoseconds, the moment of the look, and memory as `docker stats` counts it."""
    memory = stats.get("memory_stats", {})
    counters = memory.get("stats", {})
    cache = counters.get("total_inactive_file", counters.get("inactive_file", 0))
    used = memory["usage"] - cache if "usage" in memory else None
    return stats["cpu_stats"]["cpu_usage"]["total_usage"], time.monotonic(), used, memory.get("limit")


def is_ours(listed):
    return listed["Labels"].get("com.docker.compose.project") == PROJECT


class Containers:
    """The stack's containers, from look to look."""

    def __init__(self, images):
        self.images = images
        self.before = {}
        self.ids = {}

    def stats(self, docker, number):
        stats = docker.get(f"/containers/{number}/stats?stream=false&one-shot=true")
        return usage(stats) if stats else None

    def begin(self, docker):
        """The first look at the processor's time, so that work lies between it and the next; when that was."""
        every = docker.get("/containers/json")
        self.before = {one["Id"]: self.stats(docker, one["Id"]) for one in every if is_ours(one)}
        return time.monotonic()

    def look(self, docker):
        every = docker.get("/containers/json?all=1")
        ours = [one for one in every if is_ours(one)]
        seen = [self.one(docker, listed) for listed in ours]
        self.ids = {one["name"]: one["id"] for one in seen if one}
        return {
            "version": docker.version,
            "containers": [one for one in seen if one],
            "others": [
                {"name": one["Names"][0][1:], "image": one["Image"], "networks": list(one["NetworkSettings"]["Networks"])}
                for one in every
                if one not in ours
            ],
            "images": {image: (docker.get(f"/images/{image}/json") or {}).get("Id") for image in self.images},
        }

    def one(self, docker, listed):
        number = listed["Id"]
        found = docker.get(f"/containers/{number}/json")
        if not found:
            return None
        state, image = found["State"], docker.get(f"/images/{found['Image']}/json") or {}
        seen = {
            "id": number,
            "name": found["Name"][1:],
            "service": listed["Labels"].get("com.docker.compose.service", ""),
            "state": state["Status"],
            "health": state.get("Health", {}).get("Status", ""),
            "exit_code": state["ExitCode"],
            "out_of_memory": state["OOMKilled"],
            "restarts": found["RestartCount"],
            "started": state["StartedAt"],
            "finished": state["FinishedAt"],
            "image": found["Config"]["Image"],
            "image_id": found["Image"],
            "digest": next(iter(image.get("RepoDigests") or []), None),
            "networks": list(found["NetworkSettings"]["Networks"]),
            "addresses": [
                address
                for network in found["NetworkSettings"]["Networks"].values()
                for address in (network["IPAddress"], network["GlobalIPv6Address"])
                if address
            ],
        }
        if state["Status"] == "running":
            self.add_usage(docker, seen)
        return seen

    def add_usage(self, docker, seen):
        before, now = self.before.get(seen["id"]), self.stats(docker, seen["id"])
        if now:
            self.before[seen["id"]] = now
            seen["memory"], seen["memory_limit"] = now[2], now[3]
        # One that was started anew counts from 0.
        if now and before and now[0] >= before[0]:
            seen["cpu_percent"] = 100 * (now[0] - before[0]) / 1e9 / (now[1] - before[1])

    def log(self, docker, name):
        if name not in self.ids:
            return []
        body = docker.ask(f"/containers/{self.ids[name]}/logs?stdout=1&stderr=1&tail={LOG_LINES}") or b""
        text = b""
        # Each piece has a head of 8 bytes: the stream, and the piece's length.
        while len(body) >= 8:
            length = int.from_bytes(body[4:8], "big")
            text, body = text + body[8:8 + length], body[8 + length:]
        return text.decode(errors="replace").splitlines()


def lines(path):
    with contextlib.suppress(OSError), open(path, encoding="utf-8", errors="replace") as file:
        return file.read().splitlines()
    return []


def manifest():
    return [line.split(" ") for line in lines(f"{ROOT}/releases/current/manifest")]


def drift():
    """What a release put there and is not any more as it was."""
    found = []
    for mark, *rest in manifest():
        if mark == "unit":
            unit = os.path.basename(rest[0])
            if os.path.realpath(f"/etc/systemd/system/{unit}") != os.path.realpath(f"{ROOT}/{rest[0]}"):
                found.append([rest[0], "unlinked"])
            continue
        mode, path = rest[0], " ".join(rest[2:])
        try:
            if mark == "dir":
                os.stat(f"{ROOT}/{path}")
                continue
            with open(f"{ROOT}/{path}", "rb") as file:
                if hashlib.sha256(file.read()).hexdigest() != mark:
                    found.append([path, "changed"])
                elif mode == "0600" and os.fstat(file.fileno()).st_mode & 0o777 != 0o600:
                    found.append([path, "open"])
        except OSError as error:
            found.append([path, "missing" if isinstance(error, FileNotFoundError) else str(error)])
    return found


def restore():
    """The backup whose restore is at work, or was cut off, and whether it is at work."""
    state = f"{ROOT}/storage/backup/.restore"
    if os.path.exists(f"{state}/end"):
        return None
    unit = ["systemctl", "is-active", "torrust-tracker-restore"]
    ids = lines(f"{state}/id")
    active = ids and subprocess.run(unit, stdout=subprocess.PIPE, text=True, check=False).stdout.strip()
    return {"id": ids[0], "at_work": active in ("active", "activating", "deactivating")} if ids else None


def release():
    current = f"{ROOT}/releases/current"
    return {
        "environment": next(iter(lines(f"{ROOT}/environment")), None),
        "number": os.readlink(current) if os.path.islink(current) else None,
        "files": sum(1 for line in manifest() if line[0] not in ("dir", "unit")),
        "drift": drift(),
        "restore": restore(),
        "images": dict(line.split(" ", 1) for line in lines(f"{current}/images") if " " in line),
    }


def folder_size(folder, until):
    size, whole = 0, True
    for at, _, files in os.walk(folder):
        whole = whole and time.monotonic() < until
        for name in files if whole else []:
            with contextlib.suppress(OSError):
                size += os.lstat(os.path.join(at, name)).st_blocks * 512
    return {"path": os.path.relpath(folder, ROOT), "bytes": size, "whole": whole}


def disks():
    """Free space and inodes of each file system that matters."""
    mounted = [line.split(" ")[1].replace("\\040", " ") for line in lines("/proc/self/mounts")]
    found = {}
    for path in ["/", "/var/lib/docker", *(path for path in mounted if path.startswith(ROOT))]:
        try:
            space = os.statvfs(path)
        except OSError:
            continue
        # What lies on the same disk has the same figures, also where it is mounted twice.
        figures = (space.f_blocks, space.f_bavail, space.f_files)
        found.setdefault(figures, {
            "path": path,
            "bytes": space.f_blocks * space.f_frsize,
            "free": space.f_bavail * space.f_frsize,
            "files": space.f_files,
            "files_free": space.f_favail,
        })
    return list(found.values())


def storage():
    folders = sorted(path for path in glob.glob(f"{ROOT}/storage/*") if os.path.isdir(path))
    until = time.monotonic() + COUNT_SECONDS
    return {"disks": disks(), "folders": [folder_size(folder, until) for folder in folders]}


def system():
    memory = dict(line.split(":") for line in lines("/proc/meminfo"))
    kib = {name: int(memory[name].split()[0]) * 1024 for name in ("MemTotal", "MemAvailable")}
    up = float(lines("/proc/uptime")[0].split()[0])
    # In a container the kernel's is the machine's, while its first process began with it.
    began = int(lines("/proc/1/stat")[0].rsplit(")", 1)[1].split()[19]) / os.sysconf("SC_CLK_TCK")
    return {
        "uptime": up - began if began < up else up,
        "load": os.getloadavg()[0],
        "processors": len(os.sched_getaffinity(0)),
        "memory": kib["MemTotal"],
        "memory_free": kib["MemAvailable"],
        "container": next(iter(lines("/run/systemd/container")), None),
        "synchronised": ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(512)) != 5,
    }


def order(version):
    """What Debian's versions are sorted by: deb-version(7)."""
    epoch, _, rest = version.rpartition(":")
    upstream, _, revision = rest.rpartition("-") if "-" in rest else (rest, "", "0")

    def weight(character):
        return -1 if character == "~" else ord(character) + (0 if character.isalpha() else 256)

    def parts(text):
        pairs = re.findall(r"(\D*)(\d*)", text)
        return [([*map(weight, word), 0], int(number or 0)) for word, number in pairs]

    return int(epoch or 0), parts(upstream), parts(revision)


def listing(path):
    """Where apt keeps its lists packed, its helper unpacks them."""
    if path.endswith("_Packages"):
        return "\n".join(lines(path))
    helper = ["/usr/lib/apt/apt-helper", "cat-file", path]
    return subprocess.run(helper, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False).stdout


def versions(text):
    """Name, state where there is one, and version of each package."""
    field = re.compile(r"^(Package|Status|Version): (.+)$", re.MULTILINE)
    for stanza in text.split("\n\n"):
        fields = dict(field.findall(stanza))
        if "Version" in fields:
            yield fields["Package"], fields.get("Status", ""), fields["Version"]


def security():
    """Installed packages of which the security archive has a newer version, by the lists that apt fetched last: apt's own
    programs take seconds to open them."""
    base = "/var/lib/apt/lists"
    fetched = [base, f"{base}/partial", "/var/lib/apt/periodic/update-success-stamp"]
    names = [path for path in glob.glob(f"{base}/*_Packages*") if "-security" in path]
    if not names:
        return {"packages": None}
    packages = versions("\n".join(lines("/var/lib/dpkg/status")))
    installed = {package: version for package, state, version in packages if state.endswith(" installed")}
    found = set()
    for name in names:
        for package, _, version in versions(listing(name)):
            if package in installed and order(installed[package]) < order(version):
                found.add(package)
    times = [os.stat(path).st_mtime for path in fetched if os.path.exists(path)]
    return {"packages": sorted(found), "fetched": max(times)}


def figures(wanted, containers):
    """The tracker's own counters, or why there are none."""
    addresses = [one["addresses"] for one in containers if one["service"] == wanted["container"]]
    error = "it does not run"
    for address in addresses[0] if addresses else []:
        connection = http.client.HTTPConnection(address, wanted["port"], timeout=1)
        try:
            connection.request("GET", wanted["path"])
            return json.load(connection.getresponse())
        except (OSError, ValueError, http.client.HTTPException) as problem:
            error = str(problem)
        finally:
            connection.close()
    return {"error": error}


def start_checks(checks):
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    start = functools.partial(subprocess.Popen, cwd=ROOT, **pipes)
    return [(name, start(["bash", "-c", command])) for name, command in checks if os.path.isdir(ROOT)]


def end_checks(started):
    for name, process in started:
        try:
            said = process.communicate(timeout=5)[0].strip()
        except subprocess.TimeoutExpired:
            process.kill()
            said = "no answer within 5 s"
        yield {"name": name, "ok": process.returncode == 0, "seen": said.rpartition("\n")[2]}


def deep_look():
    found = {"system": system(), "release": release(), "storage": storage(), "security": security()}
    return {**found, "reboot": lines("/run/reboot-required.pkgs") if os.path.exists("/run/reboot-required") else None}


def look(wanted, containers, deep, log):
    seen, docker = {"began": time.time()}, Docker()
    checks = start_checks(wanted["checks"] if deep else [])
    try:
        window = 0 if containers.before else containers.begin(docker) + CPU_WINDOW
        if deep:
            seen.update(deep_look())
        time.sleep(max(0, window - time.monotonic()))
        seen["docker"] = containers.look(docker)
        if wanted["figures"]:
            seen["figures"] = figures(wanted["figures"], seen["docker"]["containers"])
        if log:
            seen["log"] = {"container": log, "lines": containers.log(docker, log)}
    except (OSError, TypeError, http.client.HTTPException) as error:
        seen["docker"] = {"error": f"{type(error).__name__}: {error}"}
        if deep and "system" not in seen:
            seen.update(deep_look())
    docker.close()
    if deep:
        seen["checks"] = list(end_checks(checks))
    print(json.dumps({**seen, "ended": time.time()}), flush=True)


def watch(wanted, containers):
    """Looks until nobody wants to know any more."""
    log, deep_at, waiting = None, 0, b""
    while True:
        deep = wanted["deep"] and time.monotonic() >= deep_at
        look(wanted, containers, deep, log)
        if deep:
            deep_at = time.monotonic() + DEEP_SECONDS
        if not select.select([0], [], [], wanted["interval"])[0]:
            continue
        said = os.read(0, 4096)
        if not said:
            return
        *whole, waiting = (waiting + said).split(b"\n")
        for word, _, rest in (line.decode().partition(" ") for line in whole):
            log = rest if word == "log" else log
            deep_at = 0 if word == "refresh" else deep_at


def main():
    wanted = json.loads(os.fdopen(os.dup(0), "rb", 0).readline())
    containers = Containers(wanted["images"])
    if wanted["interval"]:
        watch(wanted, containers)
    else:
        look(wanted, containers, wanted["deep"], None)


main()
