"""Says whether Prometheus, on this host's loopback, gets the figures that it is to read; the last line is what was seen.

usage: targets.py SECONDS INTERVAL
  SECONDS    how long to wait for a target to be up: the first scrape may come, or have come, too early
  INTERVAL   how often each is scraped, in seconds; until that has passed once, one may not have been
"""
import datetime
import json
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

PROMETHEUS = "http://127.0.0.1:9090/api/v1"
TOKEN = "storage/prometheus/etc/token"
# How late a scrape may be.
PATIENCE = 5
# A proxy of the host's environment would answer in place of the service.
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def ask(path):
    with OPENER.open(f"{PROMETHEUS}/{path}", timeout=5) as answer:
        return json.load(answer)["data"]


def run(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()


def began():
    """When both were there: Prometheus, and the tracker, which may have been started anew since."""
    started = [ask("status/runtimeinfo")["startTime"]]
    for container in run("docker", "compose", "ps", "--quiet", "tracker"):
        started += run("docker", "inspect", "--format", "{{.State.StartedAt}}", container)
    return max(map(datetime.datetime.fromisoformat, started))


def tracker_says(url):
    """What the tracker answers to the token in the query, which all its versions read, unlike the header."""
    container = run("docker", "compose", "ps", "--quiet", "tracker")
    if not container:
        return "; the tracker does not run"
    networks = "{{.Config.Image}} {{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}"
    image, address = run("docker", "inspect", "--format", networks, container[0])[:2]
    with open(TOKEN, encoding="ascii") as file:
        token = urllib.parse.quote(file.read(), safe="")
    url = urllib.parse.urlsplit(url)
    url = url._replace(netloc=f"{address}:{url.port}", query=f"{url.query}&token={token}")
    try:
        with OPENER.open(url.geturl(), timeout=5) as answer:
            seen = answer.headers.get_content_type()
    except urllib.error.HTTPError as error:
        seen = f"HTTP {error.code}"
    if seen in ("HTTP 404", "application/json"):
        return f"; {image} has no Prometheus output, which newer builds have: {url.path} answers {seen}"
    return f"; {image} itself answers {seen}"


def too_early(target, since):
    if target["health"] == "unknown" or datetime.datetime.fromisoformat(target["lastScrape"]) < since:
        return True
    return any(words in target["lastError"] for words in ("no such host", "connection refused"))


def told(target):
    line = f"{target['labels']['job']} {target['health']}"
    if target["health"] == "unknown":
        return f"{line}: not scraped yet, each is every {sys.argv[2]} s"
    if target["health"] != "up":
        line += f": {target['lastError']}"
        if target["labels"]["job"].startswith("tracker"):
            line += tracker_says(target["scrapeUrl"])
    return line


def main():
    deadline, interval = time.monotonic() + float(sys.argv[1]), float(sys.argv[2])
    while True:
        found = ask("targets?state=active")["activeTargets"]
        well = found and all(target["health"] == "up" for target in found)
        if well or time.monotonic() > deadline:
            break
        time.sleep(0.5)
    since = began()
    if not well and (datetime.datetime.now(datetime.timezone.utc) - since).total_seconds() < interval + PATIENCE:
        # Each has its turn somewhere in the first interval, and some come before the tracker is there.
        well = found and all(target["health"] == "up" or too_early(target, since) for target in found)
    print(", ".join(sorted(told(target) for target in found)) or "no targets")
    sys.exit(0 if well else 1)


main()
