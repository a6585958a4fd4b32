"""Sends HTTP requests from this host to its own loopback: a JSON document a line comes in, and one goes out for each."""
import http.client
import json
import socket
import ssl
import sys
import threading

LIMIT = 1 << 20
mark, turn = sys.argv[1], threading.Lock()


def say(document):
    # On a line of its own, whatever else writes here.
    with turn:
        print(f"\n{mark} {json.dumps(document)}", flush=True)


def connection(errand):
    timeout = errand["seconds"]
    if errand["domain"] is None:
        return http.client.HTTPConnection(errand["address"], errand["port"], timeout=timeout)
    # The proxy on this very host: there is nobody in between.
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    found = http.client.HTTPSConnection(errand["domain"], errand["port"], timeout=timeout, context=context)
    plain = socket.create_connection((errand["address"], errand["port"]), timeout)
    found.sock = context.wrap_socket(plain, server_hostname=errand["domain"])
    return found


def run(errand):
    try:
        there = connection(errand)
        there.request(errand["method"], errand["path"], headers=dict(errand["headers"]))
        answer = there.getresponse()
        body = answer.read(LIMIT + 1)
        if len(body) > LIMIT:
            raise ValueError(f"a body of more than {LIMIT} bytes")
        return {"status": answer.status, "location": answer.getheader("Location"), "body": body.decode("latin-1")}
    except (OSError, http.client.HTTPException, ValueError) as error:
        # Not the request: there is a secret in it.
        return {"failed": str(error) or type(error).__name__}


def serve(number, errand):
    say({"number": number, **run(errand)})


say({"number": 0})
for line in sys.stdin:
    wanted = json.loads(line)
    threading.Thread(target=serve, args=(wanted["number"], wanted), daemon=True).start()
