"""/firewalls. Which servers one is applied to is noted at the servers; selectors are noted here."""
import checks
import lists
from errors import ApiError, invalid_input
from named import Named
from store import now, public


class Firewalls(Named):
    kind, noun, taken = "firewalls", "firewall", "name is already used"

    def __init__(self, store, actions):
        super().__init__(store)
        self.actions = actions

    def routes(self):
        return super().routes() + [
            ("POST", self.one + "/actions/set_rules", self.set_rules),
            ("POST", self.one + "/actions/apply_to_resources", self.apply),
            ("POST", self.one + "/actions/remove_from_resources", self.remove),
        ]

    def shown(self, firewall):
        """With all it is applied to."""
        servers = self.store.all("servers")
        direct = [server["id"] for server in servers if str(firewall["id"]) in server["_firewalls"]]
        selected = [{
            "type": "label_selector", "label_selector": {"selector": selector},
            "applied_to_resources": [resource(s["id"]) for s in servers if lists.matches(s["labels"], selector)],
        } for selector in firewall["_selectors"]]
        return {**public(firewall), "applied_to": [resource(number) for number in direct] + selected}

    def create(self, request):
        name, labels = checks.name(request.body), checks.labels(request.body)
        rules = checks.rules(request.body.get("rules") or [])
        with self.store.lock:
            self.only(name)
            firewall = self.store.add(self.kind, {
                "name": name, "labels": labels, "created": now(), "rules": rules, "_selectors": [],
            })
        actions = self.did("set_firewall_rules", firewall, [], request)
        actions += self.attach(firewall, request.body.get("apply_to") or [], request)
        return 201, {**self.answer(firewall), "actions": actions}

    def delete(self, _request, number):
        firewall = self.found(number)
        if self.shown(firewall)["applied_to"]:
            raise ApiError(422, "resource_in_use", f"firewall with ID '{number}' is still in use")
        self.store.remove(self.kind, number)
        return 204, None

    def set_rules(self, request, number):
        firewall = self.found(number)
        rules = checks.rules(request.body.get("rules") or [])
        self.store.update(self.kind, number, rules=rules)
        servers = [one["server"]["id"] for one in self.shown(firewall)["applied_to"] if "server" in one]
        return 201, {"actions": self.did("set_firewall_rules", firewall, servers, request)}

    def apply(self, request, number):
        return 201, {"actions": self.attach(self.found(number), request.body.get("apply_to") or [], request)}

    def attach(self, firewall, wanted, request):
        actions = []
        for server, selector in self.targets(wanted):
            with self.store.change():
                if server:
                    never = "firewall_never_applied" in request.effects
                    server["_firewalls"][str(firewall["id"])] = "pending" if never else "applied"
                elif selector not in firewall["_selectors"]:
                    firewall["_selectors"].append(selector)
            actions += self.did("apply_firewall", firewall, [server["id"]] if server else [], request)
        return actions

    def remove(self, request, number):
        firewall, actions = self.found(number), []
        for server, selector in self.targets(request.body.get("remove_from") or []):
            with self.store.change():
                if server:
                    server["_firewalls"].pop(str(number), None)
                elif selector in firewall["_selectors"]:
                    firewall["_selectors"].remove(selector)
            actions += self.did("remove_firewall", firewall, [server["id"]] if server else [], request)
        return 201, {"actions": actions}

    def targets(self, wanted):
        """Server and selector of each, of which one is None; all are checked before anything is done."""
        found = []
        for one in wanted:
            if one.get("type") == "label_selector":
                found.append((None, one["label_selector"]["selector"]))
            elif one.get("type") == "server":
                server = self.store.get("servers", one["server"]["id"])
                if server is None:
                    raise ApiError(422, "firewall_resource_not_found", "firewall resource not found")
                found.append((server, None))
            else:
                raise invalid_input("type", "Must be one of: server, label_selector.")
        return found

    def did(self, command, firewall, servers, request):
        resources = [{"id": firewall["id"], "type": "firewall"}]
        resources += [{"id": number, "type": "server"} for number in servers]
        if {"slow_action", "action_fails"} & set(request.effects):
            return self.actions.begin([command], resources, request.effects)
        return [self.actions.done(command, resources)]


def resource(number):
    return {"type": "server", "server": {"id": number}}
