"""What was released, and where the host differs from it."""
import errno
import hashlib
import os
import stat
import subprocess


def manifest():
    return [line.split(" ") for line in lines(f"{ROOT}/releases/current/manifest")]


def open_file(path):
    """Without waiting for who writes to a pipe, and following no link: a container could have put either there."""
    return os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW), "rb")


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
            with open_file(f"{ROOT}/{path}") as file:
                if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                    found.append([path, "changed"])
                elif hashlib.sha256(file.read()).hexdigest() != mark:
                    found.append([path, "changed"])
                elif mode == "0600" and os.fstat(file.fileno()).st_mode & 0o777 != 0o600:
                    found.append([path, "open"])
        except OSError as error:
            known = {errno.ENOENT: "missing", errno.ELOOP: "changed", errno.EISDIR: "changed"}
            found.append([path, known.get(error.errno, str(error))])
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
        # IMAGE ID DIGEST; older releases have no digest.
        "images": dict(line.split(" ")[:2] for line in lines(f"{current}/images") if " " in line),
    }
