"""What Docker tells of the containers."""
import glob
import http.client
import json
import os
import socket
import time

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


def arrived(image):
    """When the host got the image, by the engine's own file of it: a pull leaves no other trace."""
    for path in glob.glob(f"/var/lib/docker/image/*/imagedb/content/sha256/{image.removeprefix('sha256:')}"):
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(os.stat(path).st_mtime))
    return None


def is_ours(listed):
    return listed["Labels"].get("com.docker.compose.project.working_dir") == ROOT


def is_a_look(listed):
    """Whether it is a client that checks the external database: it is gone in a moment."""
    return listed["Labels"].get("org.torrust.deployer") == "look"


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
            "project": next((one["Labels"].get("com.docker.compose.project") for one in ours), None),
            "containers": [one for one in seen if one],
            "others": [
                {"name": one["Names"][0][1:], "image": one["Image"], "networks": list(one["NetworkSettings"]["Networks"])}
                for one in every
                if one not in ours and not is_a_look(one)
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
            "digests": image.get("RepoDigests") or [],
            "image_created": image.get("Created"),
            "image_arrived": arrived(found["Image"]) or image.get("Metadata", {}).get("LastTagTime"),
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
