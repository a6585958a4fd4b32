"""/servers, each of them an instance of the backend."""
import secrets
from concurrent.futures import ThreadPoolExecutor

import catalog
import checks
import faults
import lists
from errors import ApiError, invalid_input
from named import Named
from store import now, public

LONGEST_USER_DATA = 32 * 1024


class Servers(Named):
    kind, noun, taken = "servers", "server", "server name is already used"
    checked_name = staticmethod(checks.host_name)

    def __init__(self, store, actions, backend, owner):
        super().__init__(store)
        self.actions = actions
        self.backend = backend
        self.owner = owner
        actions.jobs.update({
            "create_server": self.make, "start_server": self.start, "delete_server": self.drop,
            "stop_server": lambda number: backend.stop(self.instance(number), force=True),
            "shutdown_server": lambda number: backend.stop(self.instance(number), force=False),
            "reboot_server": lambda number: backend.restart(self.instance(number)),
        })

    def routes(self):
        powers = {
            "poweron": "start_server", "poweroff": "stop_server", "shutdown": "shutdown_server",
            "reboot": "reboot_server", "reset": "reboot_server",
        }
        return super().routes() + [
            ("POST", f"{self.one}/actions/{verb}", self.power(command)) for verb, command in powers.items()
        ]

    def instance(self, number):
        return self.store.get(self.kind, number)["_instance"]

    def refresh(self, server):
        """Power state as it is; False where somebody has deleted the instance behind the emulator's back."""
        if server["status"] in ("initializing", "deleting"):
            return True
        status = self.backend.status(server["_instance"])
        if status is None:
            self.backend.remove(server)
            self.store.remove(self.kind, server["id"])
        elif status != server["status"]:
            self.store.update(self.kind, server["id"], status=status)
        return status is not None

    def unlocked(self, number):
        server = self.found(number)
        if self.actions.running({"id": server["id"], "type": "server"}):
            raise faults.error("locked", {})
        return server

    def shown(self, server):
        applied = {
            str(firewall["id"]): "applied" for firewall in self.store.all("firewalls")
            if any(lists.matches(server["labels"], selector) for selector in firewall["_selectors"])
        }
        firewalls = [{"id": int(one), "status": status} for one, status in {**applied, **server["_firewalls"]}.items()]
        return {**public(server), "public_net": {**server["public_net"], "firewalls": firewalls}}

    def create(self, request):
        order = self.order(request.body, "pending" if "firewall_never_applied" in request.effects else "applied")
        with self.store.lock:
            self.only(order["name"])
            taken = {one["public_net"]["ipv4"]["ip"] for one in self.store.all(self.kind) if one["public_net"]["ipv4"]}
            addresses = self.backend.addresses(taken)
            server = self.store.add(self.kind, lambda number: {
                **order, "_instance": f"lab-hetzner-{self.owner}-{number}", "_effects": sorted(request.effects),
                "public_net": public_net(number, request.body.get("public_net") or {}, *addresses),
            })
        number = server["id"]
        commands = ["create_server"] + ["start_server"] * (request.body.get("start_after_create") is not False)
        first, *rest = self.actions.begin(commands, [{"id": number, "type": "server"}], request.effects)
        password = None if order["_ssh_keys"] else secrets.token_urlsafe(12)
        return 201, {
            **self.answer(server), "action": first, "next_actions": rest, "root_password": password,
        }

    def order(self, body, applied):
        """Checks a server's creation, field by field."""
        name, labels = self.checked_name(body), checks.labels(body)
        kind = picked(catalog.SERVER_TYPES, body, "server_type")
        image = picked(catalog.IMAGES, body, "image", kind["architecture"])
        place = picked(catalog.LOCATIONS, {"location": "fsn1", **body}, "location")
        if place["name"] not in [one["name"] for one in kind["locations"]]:
            raise ApiError(422, "invalid_input", "unsupported location for server type", {"fields": []})
        user_data = body.get("user_data") or ""
        if len(user_data.encode()) > LONGEST_USER_DATA:
            raise invalid_input("user_data", f"Longer than maximum length {LONGEST_USER_DATA}.")
        keys = [self.known("ssh_keys", one, "ssh_keys") for one in body.get("ssh_keys") or []]
        walls = [self.known("firewalls", one["firewall"], "firewalls") for one in body.get("firewalls") or []]
        return {
            "name": name, "status": "initializing", "created": now(), "server_type": kind, "image": image,
            "location": place, "labels": labels, "private_net": [], "included_traffic": 20 * 1024**4,
            "outgoing_traffic": 0, "ingoing_traffic": 0, "backup_window": None, "rescue_enabled": False, "iso": None,
            "locked": False, "protection": {"delete": False, "rebuild": False}, "volumes": [], "load_balancers": [],
            "primary_disk_size": kind["disk"], "placement_group": None, "_user_data": user_data,
            "_ssh_keys": [key["public_key"].strip() for key in keys],
            "_firewalls": {str(wall["id"]): applied for wall in walls},
        }

    def known(self, kind, wanted, field):
        found = next((one for one in self.store.all(kind) if wanted in (one["id"], one["name"])), None)
        if found is None:
            raise invalid_input(field, f"{wanted} not found")
        return found

    def delete(self, request, number):
        server = self.unlocked(number)
        if not request.effects.get("action_fails"):
            self.store.update(self.kind, number, status="deleting")
        action, = self.actions.begin(["delete_server"], [{"id": server["id"], "type": "server"}], request.effects)
        return 200, {"action": action}

    def power(self, command):
        def act(request, number):
            server = self.unlocked(number)
            action, = self.actions.begin([command], [{"id": server["id"], "type": "server"}], request.effects)
            return 201, {"action": action}
        return act

    # What the actions do. Each can be done a second time, since a killed emulator's actions are.

    def make(self, number):
        self.backend.create(self.store.get(self.kind, number))
        self.store.update(self.kind, number, status="off")

    def start(self, number):
        self.backend.start(self.instance(number))
        self.store.update(self.kind, number, status="running")

    def drop(self, number):
        server = self.store.get(self.kind, number)
        if server:
            self.backend.remove(server)
            self.store.remove(self.kind, number)

    def drop_all(self):
        with ThreadPoolExecutor() as pool:
            list(pool.map(self.drop, [server["id"] for server in self.store.all(self.kind)]))

    def adopt_all(self):
        """The servers of an emulator that was killed are this one's now."""
        for server in self.store.all(self.kind):
            self.backend.adopt(server)


def picked(things, body, field, architecture=None):
    if architecture:
        things = [thing for thing in things if thing["architecture"] == architecture]
    found = catalog.find(things, body.get(field))
    if found is None:
        raise invalid_input(field, f"{field} {body.get(field)} not found")
    return found


def public_net(number, asked, ipv4, ipv6):
    """Primary IPs have ids of their own, which nothing but this server uses."""
    four = {"id": number * 10 + 4, "ip": ipv4, "blocked": False, "dns_ptr": f"static.{ipv4}.clients.lab"}
    six = {"id": number * 10 + 6, "ip": ipv6, "blocked": False, "dns_ptr": []}
    return {
        "ipv4": four if asked.get("enable_ipv4", True) else None,
        "ipv6": six if ipv6 and asked.get("enable_ipv6", True) else None,
        "floating_ips": [],
    }
