"""/ssh_keys"""
import hashlib

import checks
import lists
from errors import not_found, not_unique
from store import now, public

KIND = "ssh_keys"


class Keys:
    def __init__(self, store):
        self.store = store

    def routes(self):
        return [
            ("GET", r"/ssh_keys", self.list),
            ("POST", r"/ssh_keys", self.create),
            ("GET", r"/ssh_keys/(\d+)", self.show),
            ("PUT", r"/ssh_keys/(\d+)", self.update),
            ("DELETE", r"/ssh_keys/(\d+)", self.delete),
        ]

    def found(self, number):
        key = self.store.get(KIND, number)
        if key is None:
            raise not_found("SSH key", number)
        return key

    def only(self, name, but=None):
        if any(key["name"] == name and key["id"] != but for key in self.store.all(KIND)):
            raise not_unique("SSH key with the same name already exists", "name")

    def list(self, request):
        return 200, lists.page(KIND, self.store.all(KIND), request.query)

    def show(self, _request, number):
        return 200, {"ssh_key": public(self.found(number))}

    def create(self, request):
        name, labels = checks.name(request.body), checks.labels(request.body)
        fingerprint = hashlib.md5(checks.public_key(request.body), usedforsecurity=False).hexdigest()
        fingerprint = ":".join(fingerprint[at:at + 2] for at in range(0, 32, 2))
        with self.store.lock:
            self.only(name)
            if any(key["fingerprint"] == fingerprint for key in self.store.all(KIND)):
                raise not_unique("SSH key not unique", "public_key")
            key = self.store.add(KIND, {
                "name": name, "fingerprint": fingerprint, "public_key": request.body["public_key"], "labels": labels,
                "created": now(),
            })
        return 201, {"ssh_key": public(key)}

    def update(self, request, number):
        key = self.found(number)
        with self.store.change():
            if request.body.get("name"):
                self.only(checks.name(request.body), but=key["id"])
                key["name"] = request.body["name"]
            if "labels" in request.body:
                key["labels"] = checks.labels(request.body)
        return 200, {"ssh_key": public(key)}

    def delete(self, _request, number):
        self.store.remove(KIND, self.found(number)["id"])
        return 204, None
