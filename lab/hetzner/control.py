"""/_lab: fault switches, the request log, and what is left. Needs no token: it is on loopback, and not of the API."""
import json

import faults
from errors import ApiError
from store import KINDS, public


class Control:
    def __init__(self, store, log):
        self.store = store
        self.log = log

    def answer(self, request):
        what = request.path.removeprefix("/_lab/")
        if what == "faults":
            return self.faults(request)
        if what == "requests":
            return self.requests(request.method)
        if what in KINDS and request.method == "GET":
            return 200, {what: [public(record) for record in self.store.all(what)]}
        raise ApiError(404, "not_found", f"/_lab has: faults, requests, {', '.join(KINDS)}")

    def faults(self, request):
        with self.store.change() as data:
            if request.method == "POST":
                data["last_id"] += 1
                data["faults"].append({"id": data["last_id"], **faults.make(request.body)})
            elif request.method == "DELETE":
                data["faults"] = []
            return 200, {"faults": data["faults"]}

    def requests(self, method):
        with self.store.lock:
            if method == "DELETE":
                self.log.unlink(missing_ok=True)
            lines = self.log.read_text().splitlines() if self.log.exists() else []
        return 200, {"requests": [json.loads(line) for line in lines]}
