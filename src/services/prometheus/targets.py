"""Checks on this host whether Prometheus gets the figures that it is to read; the last line is what was seen.

usage: targets.py SECONDS INTERVAL
  SECONDS    how long to wait for a target to be up: the first scrape may come, or have come, too early
  INTERVAL   how often each is scraped, in seconds; until that has passed once, one may not have been

exit code: 0 all are up, 1 one is not, 77 a warning: the tracker's image has no Prometheus output
"""
import datetime
import http.client
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
UP, DOWN, WARNING = 0, 1, 77
# What a connection, or an answer of another shape than expected, may raise.
FAULTS = (OSError, ValueError, LookupError, TypeError, AttributeError, http.client.HTTPException, subprocess.SubprocessError)
# A proxy of the host's environment would answer in place of the service.
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Unreadable(Exception):
    """An answer that cannot be used, in a sentence."""


def fetch(url, headers):
    """Status, content type and body of an answer of any status."""
    try:
        with OPENER.open(urllib.request.Request(url, headers=headers), timeout=5) as answer:
            return answer.status, answer.headers.get_content_type(), answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers.get_content_type(), error.read()


def docker(*words):
    return subprocess.run(["docker", *words], check=True, capture_output=True, text=True, timeout=10).stdout


def short(error):
    """An error in a few words: without the command line, and on one line."""
    said = getattr(error, "stderr", None) or getattr(error, "reason", None) or error
    return " ".join(str(said).split())[:200] or type(error).__name__


def prometheus(path, *fields):
    """Fields of an answer of Prometheus' API."""
    try:
        status, _, body = fetch(f"{PROMETHEUS}/{path}", {})
    except FAULTS as error:
        raise Unreadable(f"Prometheus does not answer on 127.0.0.1:9090: {short(error)}") from error
    try:
        data = json.loads(body)["data"]
        return [data[field] for field in fields]
    except FAULTS as error:
        raise Unreadable(f"Prometheus answers HTTP {status} to /api/v1/{path}, without {', '.join(fields)}") from error


def moment(text):
    """A time of Prometheus or Docker; one without a zone would not compare."""
    found = datetime.datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=datetime.timezone.utc)


class Tracker:
    """The tracker's container, as Docker sees it now."""

    def __init__(self):
        self.image, self.state, self.addresses, self.started = "the tracker", "", [], None
        try:
            ids = docker("compose", "ps", "--all", "--quiet", "tracker").split()
            if not ids:
                self.state = "has no container"
                return
            seen = json.loads(docker("inspect", ids[0]))[0]
            self.image = seen["Config"]["Image"]
            self.state = f"is {seen['State']['Status']}"
            self.started = moment(seen["State"]["StartedAt"])
            networks = seen["NetworkSettings"]["Networks"].values()
            self.addresses = [network["IPAddress"] for network in networks if network["IPAddress"]]
        except FAULTS as error:
            # A container that is being replaced may be gone between two questions.
            self.state = self.state or f"cannot be inspected: {short(error)}"

    def asked(self, url):
        """The answer to what Prometheus asks: the content type where it is well, else the status."""
        if self.state != "is running" or not self.addresses:
            raise Unreadable(f"the tracker {self.state}" + ("" if self.addresses else ", without an address"))
        try:
            with open(TOKEN, encoding="ascii") as file:
                token = file.read()
            url = urllib.parse.urlsplit(url)._replace(netloc=f"{self.addresses[0]}:{urllib.parse.urlsplit(url).port}")
            status, kind, body = fetch(url.geturl(), {"Authorization": f"Bearer {token}"})
            if status >= 400 and b'"unauthorized"' in body:
                # Release 3.0.0 does not read the header. Its log shows the query, so others are not asked that way.
                query = f"{url.query}&token={urllib.parse.quote(token, safe='')}"
                status, kind, _ = fetch(url._replace(query=query).geturl(), {})
        except FAULTS as error:
            raise Unreadable(f"the tracker does not answer: {short(error)}") from error
        return kind if status == 200 else f"HTTP {status}"


class Target:
    """One of Prometheus' targets."""

    def __init__(self, seen):
        self.job, self.health, self.url = seen["labels"]["job"], seen["health"], seen["scrapeUrl"]
        self.error = " ".join((seen.get("lastError") or "no reason given").split())
        self.scraped = moment(seen["lastScrape"]) if self.health != "unknown" else None
        self.seen = None
        self.outputless = False

    def is_up(self):
        return self.health == "up"

    def ask(self, tracker):
        """Asks the tracker itself what a target that is down does not tell."""
        if self.is_up() or self.seen is not None or not self.job.startswith("tracker"):
            return
        try:
            answer = tracker.asked(self.url)
        except Unreadable as error:
            self.seen = str(error)
            return
        self.outputless = answer in ("HTTP 404", "application/json")
        self.seen = f"{tracker.image} itself answers {answer}"

    def too_early(self, since):
        if self.scraped is None or self.scraped < since:
            return True
        return any(words in self.error for words in ("no such host", "connection refused"))

    def told(self):
        line = f"{self.job} {self.health}"
        if self.health == "unknown":
            return f"{line}: not scraped yet, each is every {sys.argv[2]} s"
        if self.is_up():
            return line
        return f"{line}: {self.error}" + (f"; {self.seen}" if self.seen else "")


def targets():
    [found] = prometheus("targets?state=active", "activeTargets")
    try:
        return sorted(map(Target, found), key=lambda target: target.job)
    except FAULTS as error:
        raise Unreadable("Prometheus describes its targets in an unknown way") from error


def since(tracker):
    """When both were there: Prometheus, and the tracker, which may have been started again since."""
    [began] = prometheus("status/runtimeinfo", "startTime")
    try:
        return max(filter(None, [moment(began), tracker.started]))
    except FAULTS as error:
        raise Unreadable("Prometheus gives its start in an unknown form") from error


def without_output(found, tracker):
    """The warning, when nothing is wrong but that the tracker's image has no Prometheus output."""
    for target in found:
        target.ask(tracker)
    down = [target for target in found if not target.is_up()]
    if not down or not all(target.outputless for target in down):
        return None
    paths = " and ".join(urllib.parse.urlsplit(target.url).path for target in down)
    up = "".join(f", {target.told()}" for target in found if target.is_up())
    return f"{tracker.image} has no Prometheus output at {paths}, which newer images have: the tracker's figures are missing{up}"


def judge(found, interval):
    """The exit code, and what is said."""
    tracker = Tracker()
    warning = without_output(found, tracker)
    if warning:
        return WARNING, warning
    well = bool(found) and all(target.is_up() for target in found)
    began = None if well else since(tracker)
    if began and (datetime.datetime.now(datetime.timezone.utc) - began).total_seconds() < interval + PATIENCE:
        # Each has its turn somewhere in the first interval, and some come before the tracker is there.
        well = bool(found) and all(target.is_up() or target.too_early(began) for target in found)
    return (UP if well else DOWN), ", ".join(target.told() for target in found) or "no targets"


def await_targets(deadline):
    """The targets, as soon as all are up or the tracker is known to have no output."""
    asked = False
    while True:
        late = time.monotonic() > deadline
        try:
            found = targets()
            if late or (found and all(target.is_up() for target in found)):
                return found
            if not asked and found and all(target.health != "unknown" for target in found):
                asked = True
                if without_output(found, Tracker()):
                    return found
        except Unreadable:
            if late:
                raise
        time.sleep(0.5)


def main():
    deadline, interval = time.monotonic() + float(sys.argv[1]), float(sys.argv[2])
    try:
        code, said = judge(await_targets(deadline), interval)
    except Unreadable as error:
        code, said = DOWN, str(error)
    print(said)
    sys.exit(code)


main()
