"""The machine: memory, clock, disks, packages."""
import contextlib
import ctypes
import glob
import os
import re
import subprocess
import time

# Counting what is in the folders may not take longer; what was counted by then is told as such.
COUNT_SECONDS = 0.3


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
