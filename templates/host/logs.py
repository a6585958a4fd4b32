"""Hands out the logs of the stack's containers, as root.

    python3 -c "$(cat logs.py)" [follow]

It answers with one fact a line:
    container ID SERVICE     each container of the stack; with "follow" also one that starts later
    ready SECONDS            after those that are there: the host's time before it looked for them
    line ID TIME TEXT        of a log that was asked for
    end ID [runs]            such a log is at its end; one that is followed, when its container has stopped, and
                             with "runs" when the container runs nevertheless
and does what it reads, until its input ends:
    show ID OPTION...        the log of a container, with these options of `docker logs`
"""

import subprocess
import sys
import threading
import time

STACK = ["--filter=label=com.docker.compose.project.working_dir=/opt/torrust", "--filter=label=com.docker.compose.oneoff=False"]
SERVICE = '"com.docker.compose.service"'
# Seconds in which a container that is only restarted is mostly up again.
RESTART = 0.5

mouth = threading.Lock()
started = []


def say(line):
    with mouth:
        sys.stdout.buffer.write(line + b"\n")
        sys.stdout.buffer.flush()


def lines(*words):
    """Lines of a program that goes on beside us, also those of its standard error."""
    program = subprocess.Popen(
        words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    started.append(program)
    for line in program.stdout:
        yield line.rstrip(b"\r\n")
    program.wait()


def show(container, options):
    for line in lines("docker", "logs", "--timestamps", *options, container):
        say(b"line %s %s" % (container.encode(), line))
    say(b"end " + container.encode() + (b" runs" if "--follow" in options and runs(container) else b""))


def runs(container):
    time.sleep(RESTART)
    told = subprocess.run(
        ["docker", "inspect", "--format={{.State.Running}}", container],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False,
    )
    return told.stdout.strip() == b"true"


def tell_starts(since):
    form = "container {{.ID}} {{index .Actor.Attributes %s}}" % SERVICE
    events = ["docker", "events", "--since=" + since, "--filter=type=container", "--filter=event=start", *STACK]
    for line in lines(*events, "--format=" + form):
        say(line)


def beside(task, *arguments):
    threading.Thread(target=task, args=arguments, daemon=True).start()


def main():
    now = "%.9f" % time.time()
    listing = ["docker", "ps", "--all", "--no-trunc", *STACK, "--format=container {{.ID}} {{.Label %s}}" % SERVICE]
    listed = subprocess.run(listing, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=False)
    if listed.returncode:
        sys.exit(1)
    for line in listed.stdout.splitlines():
        say(line)
    say(b"ready " + now.encode())
    if "follow" in sys.argv[1:]:
        beside(tell_starts, now)
    for line in sys.stdin:
        word, container, *options = line.split()
        if word == "show":
            beside(show, container, options)


try:
    main()
finally:
    for program in started:
        program.terminate()
