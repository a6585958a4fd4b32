#!/usr/bin/env python3
"""Measures the release build and prints each figure beside its goal.   usage: bench/run.py

Needs `cargo build --release` and, for what works on a host, the lab: `lab/up.sh`. Ends with 1 if a goal is not met.
"""
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

PROJECT = Path(__file__).resolve().parent.parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", PROJECT / "target"))
PROGRAM = TARGET / "release/torrust-tracker-deployer"
ROUNDS = 200
# Environments, and the hosts that they are on.
HOSTS = {name: f"{name}-{os.getpid()}" for name in ("bench", "bench-full")}
COUNTED = ["ssh", "ssh-keygen", "ansible-playbook", "docker"]
NO_GOAL = None

rows = []


def row(what, figure, unit, goal=NO_GOAL):
    met = "" if goal is NO_GOAL else "met" if figure <= goal else "NOT MET"
    rows.append(met)
    wanted = "" if goal is NO_GOAL else f"<= {goal:.2f} {unit}"
    print(f"{what:<66} {figure:9.2f} {unit:<5} {wanted:<14} {met}", flush=True)


def spawn_ms(args, folder):
    """One run of a program, without a shell or a pipe in the way."""
    null = os.open(os.devnull, os.O_RDWR)
    os.chdir(folder)
    actions = [(os.POSIX_SPAWN_DUP2, null, fd) for fd in (0, 1, 2)]
    began = time.perf_counter()
    process = os.posix_spawn(args[0], args, os.environ, file_actions=actions)
    status = os.waitpid(process, 0)[1]
    took = time.perf_counter() - began
    os.close(null)
    assert status == 0, f"{args} ended with {status}"
    return took * 1000


def bench_local(desk):
    """Local commands beside /bin/true, in turns, so that whatever slows one slows all."""
    cases = {
        "true": ["/bin/true"],
        "exists": [str(PROGRAM), "exists", "bench"],
        "show": [str(PROGRAM), "show", "bench"],
        "validate": [str(PROGRAM), "validate", "-f", "bench.json"],
    }
    times = {name: [] for name in cases}
    for _ in range(ROUNDS):
        for name, args in cases.items():
            times[name].append(spawn_ms(args, desk))
    true = median(times.pop("true"))
    row(f"/bin/true (median of {ROUNDS})", true, "ms")
    for name, took in times.items():
        row(f"{name} ({median(took) / true:.1f} x /bin/true)", median(took), "ms", 2 * true + 1)
    with tempfile.TemporaryDirectory() as many:
        fill(desk, Path(many))
        # What was just written must not be on its way to the disk while reading is measured.
        os.sync()
        took = median(spawn_ms([str(PROGRAM), "list"], many) for _ in range(20))
        row("list of 10,000 environments (median of 20)", took, "ms", 60)


def fill(desk, many):
    one = (desk / "data/bench/environment.json").read_text()
    for number in range(10_000):
        folder = many / f"data/bench-{number}"
        folder.mkdir(parents=True)
        (folder / "environment.json").write_text(one.replace('"name": "bench"', f'"name": "bench-{number}"'))


def config(name):
    key = {"private_key_path": "key", "public_key_path": "key.pub"}
    return {
        "environment": {"name": name},
        "ssh_credentials": key,
        "provider": {"provider": "docker", "base_image": "lab/debian:trixie"},
        "images": {"source": "local", "tracker": "lab/tracker:3.0.0"},
        "tracker": {
            "core": {"database": {"driver": "sqlite3", "database_name": "tracker.db"}, "private": False},
            "udp_trackers": [{"bind_address": "0.0.0.0:6969"}],
            "http_trackers": [{"bind_address": "0.0.0.0:7070"}],
            "http_api": {"bind_address": "0.0.0.0:1212", "admin_token": "vE4ixM2uTq0Zk9sLw7RbNcYd"},
        },
    }


def everything(name):
    """The same with every section: five containers."""
    full = config(name)
    mysql = {"driver": "mysql", "host": "mysql", "port": 3306, "database_name": "tracker", "username": "tracker_user"}
    full["tracker"]["core"]["database"] = {**mysql, "password": "Zk9sLw7RbNcYdvE4ixM2uTq0"}
    full["images"] |= {"mysql": "lab/mysql:9.7", "prometheus": "lab/prometheus:2.53"}
    full["images"] |= {"grafana": "lab/grafana:stand-in", "caddy": "lab/caddy:2.11.7"}
    full["tracker"]["http_trackers"][0] |= {"domain": "tracker.lab.test", "use_tls_proxy": True}
    full["https"] = {"admin_email": "admin@lab.test", "ca": "internal"}
    full["prometheus"] = {}
    full["grafana"] = {"admin_user": "admin", "admin_password": "Zk9sLw7RbNcYdvE4ixM2uTq0"}
    full["backup"] = {}
    return full


def sh(command, **options):
    done = subprocess.run(command, shell=isinstance(command, str), capture_output=True, text=True, **options)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout.strip()


def on_host(name, script):
    return sh(["docker", "exec", HOSTS[name], "bash", "-c", script])


def connections(name):
    return int(on_host(name, "journalctl -u ssh | grep -c 'Accepted publickey' || :"))


def deployer(desk, command, name, *args):
    """Seconds, and bytes that reached the host meanwhile."""
    received = lambda: int(on_host(name, "cat /sys/class/net/eth0/statistics/rx_bytes"))
    before, began = received(), time.perf_counter()
    sh([str(PROGRAM), command, name, *args], cwd=desk)
    return time.perf_counter() - began, received() - before


def thrice(desk, *args):
    """For what changes nothing: the middle one of three."""
    return sorted(deployer(desk, *args) for _ in range(3))[1]


def count_programs(desk):
    """Puts before each program on PATH one that notes its start."""
    folder, log = desk / "counting", desk / "started"
    folder.mkdir()
    for name in COUNTED:
        real = shutil.which(name)
        (folder / name).write_text(f'#!/bin/sh\necho {name} >>"{log}"\nexec "{real}" "$@"\n')
        (folder / name).chmod(0o755)
    os.environ["PATH"] = f"{folder}:{os.environ['PATH']}"
    return log


def create(desk, described):
    name = described["environment"]["name"]
    (desk / f"{name}.json").write_text(json.dumps(described))
    sh([str(PROGRAM), "create", "environment", "-f", f"{name}.json"], cwd=desk)


def up(desk, name):
    return sh(["lab/host.sh", "up", HOSTS[name], str(desk / "key.pub")], cwd=PROJECT).split()[-2]


def to_running(desk, name, address):
    return deployer(desk, "register", name, "--instance-ip", address)[0] + deployer(desk, "deploy", name)[0]


def bench_release(desk, name):
    """Seconds of a release without a change, and of one with one file changed."""
    before = connections(name)
    unchanged, sent = thrice(desk, "release", name)
    opened = (connections(name) - before) / 3
    row(f"release unchanged (median of 3; {opened:.0f} SSH connection, {sent / 1024:.0f} KiB to the host)", unchanged, "s", 1)
    toml = on_host(name, "cat /opt/torrust/storage/tracker/etc/tracker.toml")
    (desk / "own.toml").write_text(toml.replace('"info"', '"warn"') + "\n")
    before = connections(name)
    changed, sent = deployer(desk, "release", name, "--config", "own.toml")
    opened = connections(name) - before
    row(f"release, one file changed ({opened} SSH connection, {sent / 1024:.0f} KiB to the host)", changed, "s", 1.5)
    return unchanged, changed


def bench_host(desk):
    address = up(desk, "bench")
    path = os.environ["PATH"]
    log = count_programs(desk)
    first = to_running(desk, "bench", address)
    os.environ["PATH"] = path
    row("register to running, host from nothing (Docker installed, image sent)", first, "s")
    row("  SSH connections in it", connections("bench"), "", 10)
    started = log.read_text().split()
    each = ", ".join(f"{name} {started.count(name)}" for name in COUNTED)
    row(f"  programs started in it: {each}", len(started), "")

    row("deploy again, nothing to do (median of 3)", thrice(desk, "deploy", "bench")[0], "s")
    row("configure again (median of 3)", thrice(desk, "configure", "bench")[0], "s", 3)
    small = bench_release(desk, "bench")

    sh(f"'{PROGRAM}' destroy bench && '{PROGRAM}' purge bench --force", cwd=desk)
    create(desk, config("bench"))
    row("register to running, Docker and image present", to_running(desk, "bench", address), "s", 8)

    create(desk, everything("bench-full"))
    first = to_running(desk, "bench-full", up(desk, "bench-full"))
    row("the same with every section, host from nothing (five images sent)", first, "s")
    row("  SSH connections in it", connections("bench-full"), "", 10)
    full = bench_release(desk, "bench-full")
    for what, one, other in zip(("unchanged", "one file changed"), full, small):
        row(f"  release, {what}: times the small stack's", one / other, "x", 1.5)


def main():
    if not PROGRAM.exists():
        sys.exit(f"{PROGRAM} is missing; type: cargo build --release")
    # Who else is at work shows in every figure.
    print(f"{os.cpu_count()} processors, load average {os.getloadavg()[0]:.1f} at the start", flush=True)
    os.environ["PATH"] = sh(". lab/env.sh; printf %s \"$PATH\"", cwd=PROJECT)
    with tempfile.TemporaryDirectory() as folder:
        desk = Path(folder)
        sh(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(desk / "key")])
        create(desk, config("bench"))
        bench_local(desk)
        if subprocess.run(["docker", "image", "inspect", "lab/host:trixie"], capture_output=True).returncode:
            sys.exit("the lab is not up, so nothing was measured on a host; type: lab/up.sh")
        try:
            bench_host(desk)
        finally:
            os.chdir(PROJECT)
            for host in HOSTS.values():
                sh(["lab/host.sh", "down", host])
    sys.exit(1 if "NOT MET" in rows else 0)


main()
