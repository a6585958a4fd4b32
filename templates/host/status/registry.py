"""Whether registries have another image under the same tag: their manifests' digests, asked while the rest is looked at."""
import http.client
import json
import re
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

# All questions together; a registry that cannot be reached costs no more.
REGISTRY_SECONDS = 2
# What a host pulls of an image for several architectures is the index; Docker notes its digest.
MANIFESTS = (
    "application/vnd.oci.image.index.v1+json, application/vnd.docker.distribution.manifest.list.v2+json, "
    "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json"
)
DAEMON = "/etc/docker/daemon.json"


class Unanswered(Exception):
    """Why a registry did not say what it has."""


def split(reference):
    """Registry, name and tag, as Docker reads them."""
    first, slash, rest = reference.partition("/")
    named = slash and (first == "localhost" or "." in first or ":" in first)
    host, name = (first, rest) if named else ("docker.io", reference)
    name, colon, tag = name.partition(":")
    if host == "docker.io" and "/" not in name:
        name = f"library/{name}"
    return host, name, tag if colon else "latest"


def daemon():
    try:
        with open(DAEMON, encoding="utf-8") as file:
            return json.load(file)
    except (OSError, ValueError):
        return {}


def places(host, settings):
    """Where Docker asks, in its order: mirrors are for its own registry; plain HTTP is for loopback and what is configured."""
    if host in ("docker.io", "index.docker.io"):
        return [url.rstrip("/") for url in settings.get("registry-mirrors", [])] + ["https://registry-1.docker.io"]
    plain = re.match(r"(localhost|127\.[\d.]+|\[::1\])(:\d+)?$", host) or host in settings.get("insecure-registries", [])
    return [f"https://{host}"] + ([f"http://{host}"] if plain else [])


class Registry:
    """One tag's questions, which share a time limit."""

    def __init__(self, until):
        self.until = until

    def request(self, url, method, headers):
        left = self.until - time.monotonic()
        if left <= 0:
            raise Unanswered(f"no answer within {REGISTRY_SECONDS} s")
        request = urllib.request.Request(url, headers=headers, method=method)
        return urllib.request.urlopen(request, timeout=left)

    def token(self, base, challenge):
        """One for everybody, as Docker Hub gives it. A registry with TLS names a place with TLS."""
        fields = dict(re.findall(r'(\w+)="([^"]*)"', challenge))
        scheme = base.partition("://")[0]
        if not challenge.lower().startswith("bearer ") or not fields.get("realm", "").startswith((f"{scheme}://", "https://")):
            raise Unanswered("it wants a login")
        query = urllib.parse.urlencode({key: fields[key] for key in ("service", "scope") if key in fields})
        try:
            with self.request(f"{fields['realm']}?{query}", "GET", {}) as answer:
                found = json.load(answer)
        except urllib.error.HTTPError as error:
            raise Unanswered("it wants a login") from error
        return found.get("token") or found.get("access_token") or ""

    def digest(self, base, name, tag):
        """The digest that the tag has there."""
        url = f"{base}/v2/{name}/manifests/{urllib.parse.quote(tag)}"
        headers = {"Accept": MANIFESTS}
        for again in (True, False):
            try:
                with self.request(url, "HEAD", headers) as answer:
                    return answer.headers.get("Docker-Content-Digest")
            except urllib.error.HTTPError as error:
                if error.code == 404:
                    raise Unanswered("it has no such tag") from error
                if error.code == 429:
                    raise Unanswered("it has answered too many questions of this address") from error
                if error.code not in (401, 403):
                    raise Unanswered(f"it answered HTTP {error.code}") from error
                if not again:
                    raise Unanswered("it wants a login") from error
                headers["Authorization"] = f"Bearer {self.token(base, error.headers.get('WWW-Authenticate', ''))}"
        return None


def ask(reference, until, found):
    """Adds what the registry says of this reference."""
    host, name, tag = split(reference)
    seen = {"name": host}
    for base in places(host, daemon()):
        try:
            digest = Registry(until).digest(base, name, tag)
            seen = {"name": host, **({"digest": digest} if digest else {"error": "it names no digest"})}
            break
        except Unanswered as problem:
            seen["error"] = str(problem)
        except (OSError, ValueError, http.client.HTTPException) as problem:
            # The name does not resolve, no route, no TLS there: the next place may answer.
            seen["error"] = f"not reached: {getattr(problem, 'reason', problem)}"
    found[reference] = seen


def start_registries(references):
    """Asks of each tag; a reference with a digest names bytes that cannot change."""
    until, found = time.monotonic() + REGISTRY_SECONDS, {}
    asked = {reference for reference in references if "@" not in reference}
    threads = [threading.Thread(target=ask, args=(one, until, found), daemon=True) for one in sorted(asked)]
    for thread in threads:
        thread.start()
    return until, threads, found, asked


def end_registries(started):
    """What was said in time."""
    until, threads, found, asked = started
    for thread in threads:
        thread.join(max(0, until - time.monotonic()))
    late = {"error": f"not reached: no answer within {REGISTRY_SECONDS} s"}
    told = dict(found)
    return {reference: told.get(reference, {"name": split(reference)[0], **late}) for reference in asked}
