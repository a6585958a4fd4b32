"""What all kinds that have a name and labels answer in the same way."""
import checks
import lists
from errors import not_found, not_unique
from store import public


class Named:
    """A kind names its path and key in the store, its noun in messages, and what is said of a name in use. It has
    `create` and `delete` of its own."""

    kind = noun = taken = None
    checked_name = staticmethod(checks.name)

    def __init__(self, store):
        self.store = store
        self.one = rf"/{self.kind}/(\d+)"

    def routes(self):
        return [
            ("GET", f"/{self.kind}", self.list),
            ("POST", f"/{self.kind}", self.create),
            ("GET", self.one, self.show),
            ("PUT", self.one, self.update),
            ("DELETE", self.one, self.delete),
        ]

    def refresh(self, _thing):
        """Brings a record up to date; False where the thing is no more."""
        return True

    def shown(self, thing):
        return public(thing)

    def answer(self, thing):
        return {self.kind.removesuffix("s"): self.shown(thing)}

    def found(self, number):
        thing = self.store.get(self.kind, number)
        if thing is None or not self.refresh(thing):
            raise not_found(self.noun, number)
        return thing

    def only(self, name, but=None):
        if any(thing["name"] == name and thing["id"] != but for thing in self.store.all(self.kind)):
            raise not_unique(self.taken, "name")

    def list(self, request):
        there = [self.shown(thing) for thing in self.store.all(self.kind) if self.refresh(thing)]
        return 200, lists.page(self.kind, there, request.query)

    def show(self, _request, number):
        return 200, self.answer(self.found(number))

    def update(self, request, number):
        thing = self.found(number)
        with self.store.change():
            if request.body.get("name"):
                self.only(self.checked_name(request.body), but=thing["id"])
                thing["name"] = request.body["name"]
            if "labels" in request.body:
                thing["labels"] = checks.labels(request.body)
        return 200, self.answer(thing)
