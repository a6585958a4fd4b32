"""Tells whether the proxy shows a certificate for DOMAIN; where it shows none, what the authority answered.

usage: certificate.py DOMAIN DIRECTORY RUN_BEGAN
  DIRECTORY   the authority's, for what is said of it; empty is Caddy's own authority
  RUN_BEGAN   when the `run` began that asks, in seconds since 1970; empty when it is somebody else who asks
Exit code 100: the authority refused, or could not be asked. Caddy tries again by itself, but only after minutes: when
a `run` asks, an answer from before it is not gone by, and Caddy is made to try at once.
"""
import datetime
import hashlib
import json
import socket
import ssl
import subprocess
import sys


def shown(domain):
    """The fingerprint of what a client gets: where Caddy keeps its files, and by which names, is its own affair."""
    context = ssl.create_default_context()
    # Whether it is to be trusted is asked from outside.
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        with socket.create_connection(("127.0.0.1", 443), timeout=5) as plain:
            with context.wrap_socket(plain, server_hostname=domain) as secured:
                return hashlib.sha256(secured.getpeercert(binary_form=True)).hexdigest()
    except OSError:
        return None


def docker(*words):
    done = subprocess.run(["docker", *words], check=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return done.stdout.strip()


def last_answer(log, domain):
    """What the authority, or the way to it, said last about this domain."""
    answer = None
    for line in log.splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if entry.get("msg") == "could not get certificate from issuer" and entry.get("identifier") == domain:
            answer = entry.get("error")
    return answer


def main():
    domain, directory, run_began = sys.argv[1:]
    fingerprint = shown(domain)
    if fingerprint:
        print(f"shown on port 443, SHA-256 {fingerprint[:16]}…")
        return 0
    container = docker("compose", "ps", "--all", "--quiet", "caddy")
    since = docker("inspect", "--format", "{{.State.StartedAt}}", container)
    answer = last_answer(docker("logs", "--since", since, container), domain)
    if answer and run_began and datetime.datetime.fromisoformat(since).timestamp() < float(run_began):
        docker("restart", container)
        answer = None
    if not answer:
        print(f"{domain} has no certificate yet")
        return 1
    if "performing request" in answer:
        check = f"does the host reach {directory}, and is https.ca_root its root certificate where that is no public one?"
    else:
        check = f"does {domain} lead to this host, and do its ports 80 and 443 answer whoever checks that?"
    print(f"{domain} has no certificate: {answer}; {check}")
    return 100


sys.exit(main())
