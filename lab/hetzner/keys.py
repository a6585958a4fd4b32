"""/ssh_keys"""
import hashlib

import checks
from errors import not_unique
from named import Named
from store import now


class Keys(Named):
    kind, noun, taken = "ssh_keys", "SSH key", "SSH key with the same name already exists"

    def create(self, request):
        name, labels = checks.name(request.body), checks.labels(request.body)
        fingerprint = hashlib.md5(checks.public_key(request.body), usedforsecurity=False).hexdigest()
        fingerprint = ":".join(fingerprint[at:at + 2] for at in range(0, 32, 2))
        with self.store.lock:
            self.only(name)
            if any(key["fingerprint"] == fingerprint for key in self.store.all(self.kind)):
                raise not_unique("SSH key not unique", "public_key")
            key = self.store.add(self.kind, {
                "name": name, "fingerprint": fingerprint, "public_key": request.body["public_key"], "labels": labels,
                "created": now(),
            })
        return 201, self.answer(key)

    def delete(self, _request, number):
        self.store.remove(self.kind, self.found(number)["id"])
        return 204, None
