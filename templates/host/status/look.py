"""Looks at the host, as root, and tells what it saw: one JSON document a look, each on a line of its own. The other files
of this folder travel before it, in one text.

usage: look.py     one JSON document on standard input says what to look at:
    deep        whether to look at more than the containers
    images      the image references that containers should have
    registries  whether their registries are asked what they have under the same tags
    checks      [name, command for bash] pairs, run in /opt/torrust
    figures     null, or what asks the tracker's API for its figures: container, port, path, token
    interval    null for one look, else the seconds between looks, until input ends. Meanwhile each line of input is
                "log CONTAINER", whose last lines are told from then on, or "refresh"
"""
import functools
import http.client
import json
import os
import select
import subprocess
import sys
import time
import urllib.parse

# A processor's share over less than this jumps.
CPU_WINDOW = 0.15
DEEP_SECONDS = 60
# A client of an external database starts in a container of its own.
CHECK_SECONDS = 10


def figures(wanted, containers):
    """The tracker's own counters, or why there are none."""
    addresses = [one["addresses"] for one in containers if one["service"] == wanted["container"]]
    error = "it does not run"
    for address in addresses[0] if addresses else []:
        try:
            return json.loads(ask_api(address, wanted))
        except (OSError, ValueError, http.client.HTTPException) as problem:
            error = str(problem)
    return {"error": error}


def ask_api(address, wanted):
    """The API's answer to the token in a header; in the query, which is logged, where the tracker reads no header."""
    token = wanted["token"]
    as_header = token.isascii() and token.isprintable() and token == token.strip()
    if as_header and "in_query" not in wanted:
        status, body = get(address, wanted["port"], wanted["path"], {"Authorization": f"Bearer {token}"})
        if status < 400 or b'"unauthorized"' not in body:
            return body
        # Release 3.0.0 is not asked in vain at each look of a watch.
        wanted["in_query"] = True
    return get(address, wanted["port"], f"{wanted['path']}?token={urllib.parse.quote(token, safe='')}", {})[1]


def get(address, port, path, headers):
    connection = http.client.HTTPConnection(address, port, timeout=1)
    try:
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def start_checks(checks):
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    start = functools.partial(subprocess.Popen, cwd=ROOT, **pipes)
    return [(name, start(["bash", "-c", command])) for name, command in checks if os.path.isdir(ROOT)]


def end_checks(started):
    for name, process in started:
        try:
            said = process.communicate(timeout=CHECK_SECONDS)[0].strip()
        except subprocess.TimeoutExpired:
            process.kill()
            said = f"no answer within {CHECK_SECONDS} s"
        yield {"name": name, "ok": process.returncode == 0, "seen": said.rpartition("\n")[2]}


def deep_look():
    names = start_names()
    found = {"system": system(), "release": release(), "storage": storage(), "security": security()}
    found["reboot"] = lines("/run/reboot-required.pkgs") if os.path.exists("/run/reboot-required") else None
    return {**found, "network": network(names)}


def look(wanted, containers, deep, log):
    seen, docker = {"began": time.time()}, Docker()
    checks = start_checks(wanted["checks"] if deep else [])
    asked = start_registries(wanted["images"] if deep and wanted["registries"] else [])
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
        seen["registries"] = end_registries(asked)
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
