"""Packs a release as release.sh reads it, in base64: the manifest, the word "apply", and a tar stream of the files.

usage: pack.py release.json        runs where the rendered files are; release.json says where
"""

import base64
import hashlib
import io
import json
import os
import sys
import tarfile


def read(path):
    with open(path, "rb") as file:
        return file.read()


def checksums(manifest):
    """Of the manifest's lines those of files: SHA256 MODE OWNER PATH."""
    lines = [line.split(" ", 3) for line in manifest if not line.startswith(("dir ", "unit "))]
    return {line[3]: line[0] for line in lines}


def main(release_file):
    release = json.loads(read(release_file))["release"]
    beside = os.path.dirname(release_file)
    places = {path: os.path.join(beside, place) for path, place in release["files"].items()}
    files = {path: read(place) for path, place in places.items()}
    wanted = checksums(release["manifest"])
    # Its container would not be made anew for it.
    changed = [places[path] for path, content in files.items() if hashlib.sha256(content).hexdigest() != wanted[path]]
    if changed:
        sys.exit(", ".join(changed) + " changed after it was rendered: change the configuration instead, and render again")
    packed = io.BytesIO(("\n".join(release["manifest"]) + "\napply\n").encode())
    packed.seek(0, io.SEEK_END)
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for path, content in files.items():
            member = tarfile.TarInfo(path)
            member.size, member.mode = len(content), 0o600
            tar.addfile(member, io.BytesIO(content))
    print(base64.b64encode(packed.getvalue()).decode())


if __name__ == "__main__":
    main(*sys.argv[1:])
