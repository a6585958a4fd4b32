"""The emulator by its HTTP alone, with servers that are files. Run: lab/hetzner.sh test"""
import http.client
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path
from urllib.parse import urlsplit

TOKEN, READ_ONLY = "t" * 64, "r" * 64
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIF4mzOKCbWWwRW7odB1/rDxREISx087ai2MbbCCN6ftn one"
OTHER_KEY = KEY.replace("6ftn one", "6fto two")
SERVER = {"name": "host", "server_type": "cx23", "image": "debian-13", "location": "nbg1", "labels": {"env": "a"}}
RULE = {"direction": "in", "protocol": "tcp", "port": "22", "source_ips": ["0.0.0.0/0", "::/0"]}
PATIENCE = 10


class Emulator(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.state = Path(folder.name)
        self.start()
        self.addCleanup(self.end)

    def start(self):
        self.process = subprocess.Popen(
            [sys.executable, "-B", Path(__file__).parent, "serve", "--state", self.state, "--backend", "none",
             "--token", TOKEN, "--read-only-token", READ_ONLY],
            stdout=subprocess.PIPE, text=True)
        self.endpoint = self.process.stdout.readline().strip()

    def end(self, how=signal.SIGTERM):
        self.process.send_signal(how)
        self.process.wait(PATIENCE)
        self.process.stdout.close()

    def ask(self, method, path, body=None, token=TOKEN):
        """Status, body and headers."""
        url = urlsplit(self.endpoint)
        connection = http.client.HTTPConnection(url.netloc, timeout=PATIENCE)
        self.addCleanup(connection.close)
        path = path if path.startswith("/_lab") else url.path + path
        connection.request(method, path, body and json.dumps(body), {"Authorization": f"Bearer {token}"})
        answer = connection.getresponse()
        text = answer.read()
        return answer.status, json.loads(text) if text.startswith(b"{") else text, answer.headers

    def ok(self, method, path, body=None):
        status, answer, _ = self.ask(method, path, body)
        self.assertLess(status, 300, answer)
        return answer

    def refused(self, expected, method, path, body=None, token=TOKEN):
        status, answer, headers = self.ask(method, path, body, token)
        self.assertEqual((status, answer["error"]["code"]), expected, answer)
        return answer["error"], headers

    def settled(self, action):
        deadline = time.monotonic() + PATIENCE
        while action["status"] == "running":
            self.assertLess(time.monotonic(), deadline, action)
            time.sleep(0.02)
            action, = self.ok("GET", f"/actions?id={action['id']}&sort=status&sort=id&page=1")["actions"]
        return action

    def server(self, **changes):
        made = self.ok("POST", "/servers", {**SERVER, **changes})
        for action in (made["action"], *made["next_actions"]):
            self.assertEqual(self.settled(action)["status"], "success")
        return made["server"]["id"]

    def fault(self, fault, **options):
        return self.ok("POST", "/_lab/faults", {"fault": fault, "method": "POST", "path": "/servers", **options})


class Access(Emulator):
    def test_a_token_decides_what_may_be_done(self):
        self.refused((401, "unauthorized"), "GET", "/servers", token="x" * 64)
        self.assertEqual(self.ask("GET", "/servers", token=READ_ONLY)[0], 200)
        self.refused((403, "token_readonly"), "POST", "/ssh_keys", {"name": "k", "public_key": KEY}, READ_ONLY)

    def test_the_log_tells_what_was_asked_and_holds_no_token(self):
        self.ask("GET", "/servers?name=a")
        self.ask("POST", "/servers", {"name": TOKEN})
        asked = self.ok("GET", "/_lab/requests")["requests"]
        self.assertEqual([(one["method"], one["path"], one["status"]) for one in asked],
                         [("GET", "/servers", 200), ("POST", "/servers", 422)])
        for file in self.state.iterdir():
            self.assertNotIn(TOKEN, file.read_text() if file.is_file() else "")

    def test_bad_requests(self):
        self.refused((404, "not_found"), "GET", "/nothing")
        self.refused((404, "not_found"), "GET", "/servers/1")
        self.refused((422, "invalid_input"), "GET", "/images?page=0")


class Records(Emulator):
    def test_keys_have_one_name_and_one_fingerprint(self):
        key = self.ok("POST", "/ssh_keys", {"name": "k", "public_key": KEY})["ssh_key"]
        self.assertEqual(key["fingerprint"], "74:c7:1b:84:93:e0:f1:09:4b:64:b7:8a:fa:38:ab:40")
        self.refused((409, "uniqueness_error"), "POST", "/ssh_keys", {"name": "k", "public_key": OTHER_KEY})
        self.refused((409, "uniqueness_error"), "POST", "/ssh_keys", {"name": "l", "public_key": KEY})
        self.refused((422, "invalid_input"), "POST", "/ssh_keys", {"name": "m", "public_key": "ssh-ed25519 AAAA"})
        self.ok("PUT", f"/ssh_keys/{key['id']}", {"name": "n", "labels": {"a": "b"}})
        self.assertEqual(self.ok("GET", f"/ssh_keys/{key['id']}")["ssh_key"]["labels"], {"a": "b"})
        self.assertEqual(self.ask("DELETE", f"/ssh_keys/{key['id']}")[0], 204)

    def test_rules_are_checked(self):
        bad = {
            "port": [None, "0", "65536", "9-1", "http"],
            "source_ips": [[], ["10.0.0.1/8"], ["10.0.0.0"], ["fd00::1/64"], ["nowhere"]],
            "protocol": ["sctp", "icmp"],
            "direction": ["both", "out"],
        }
        for field, values in bad.items():
            for value in values:
                wall = {"name": "f", "rules": [{**RULE, field: value}]}
                self.refused((422, "invalid_input"), "POST", "/firewalls", wall)
        good = [{**RULE, "port": "any"}, {**RULE, "port": "1-65535", "protocol": "udp", "source_ips": ["fd00::/64"]}]
        made = self.ok("POST", "/firewalls", {"name": "f", "rules": good})
        self.assertEqual([rule["port"] for rule in made["firewall"]["rules"]], ["any", "1-65535"])

    def test_a_firewall_in_use_stays(self):
        wall = self.ok("POST", "/firewalls", {"name": "f", "rules": [RULE]})["firewall"]["id"]
        server = self.server(firewalls=[{"firewall": wall}])
        use = [{"type": "server", "server": {"id": server}}]
        self.assertEqual(self.ok("GET", f"/firewalls/{wall}")["firewall"]["applied_to"], use)
        self.refused((422, "resource_in_use"), "DELETE", f"/firewalls/{wall}")
        self.ok("POST", f"/firewalls/{wall}/actions/remove_from_resources", {"remove_from": use})
        self.ok("POST", f"/firewalls/{wall}/actions/apply_to_resources", {"apply_to": use})
        self.assertEqual(self.settled(self.ok("DELETE", f"/servers/{server}")["action"])["status"], "success")
        self.assertEqual(self.ask("DELETE", f"/firewalls/{wall}")[0], 204)

    def test_lists_are_filtered_and_paged(self):
        page = self.ok("GET", "/images?architecture=x86&per_page=2&page=2&sort=name:desc")
        self.assertEqual([image["name"] for image in page["images"]], ["debian-13", "debian-12"])
        self.assertEqual(page["meta"]["pagination"], {
            "page": 2, "per_page": 2, "previous_page": 1, "next_page": None, "last_page": 2, "total_entries": 4})
        self.server()
        for selector, there in {"env=a": 1, "env!=a": 0, "env": 1, "!env": 0, "env%20in%20(b,a),!x": 1}.items():
            self.assertEqual(len(self.ok("GET", f"/servers?label_selector={selector}")["servers"]), there, selector)

    def test_a_server_type_says_what_it_costs(self):
        kind, = self.ok("GET", "/server_types?name=cx23")["server_types"]
        self.assertGreater(float(kind["prices"][0]["price_monthly"]["gross"]), 0)


class Servers(Emulator):
    def test_the_life_of_a_server(self):
        number = self.server()
        server = self.ok("GET", f"/servers/{number}")["server"]
        self.assertEqual((server["status"], server["public_net"]["ipv6"]["ip"][-5:]), ("running", "::/64"))
        for verb, status in {"shutdown": "off", "poweron": "running", "reboot": "running", "poweroff": "off"}.items():
            self.settled(self.ok("POST", f"/servers/{number}/actions/{verb}")["action"])
            self.assertEqual(self.ok("GET", f"/servers/{number}")["server"]["status"], status, verb)
        self.refused((409, "uniqueness_error"), "POST", "/servers", SERVER)
        self.ok("PUT", f"/servers/{number}", {"name": "other", "labels": {}})
        self.assertEqual(len(self.ok("GET", "/servers?name=other")["servers"]), 1)
        gone = self.settled(self.ok("DELETE", f"/servers/{number}")["action"])
        self.assertEqual((gone["command"], gone["progress"]), ("delete_server", 100))
        self.refused((404, "not_found"), "GET", f"/servers/{number}")
        self.assertEqual(self.ok("GET", f"/actions/{gone['id']}")["action"], gone)

    def test_bad_orders(self):
        for field, value in {"server_type": "cx0", "image": "win", "location": "moon", "name": "a_b", "ssh_keys": [1],
                             "firewalls": [{"firewall": 1}], "labels": {"a b": ""}, "user_data": "x" * 32769}.items():
            self.refused((422, "invalid_input"), "POST", "/servers", {**SERVER, field: value})
        self.refused((422, "invalid_input"), "POST", "/servers", {**SERVER, "location": "ash"})
        self.assertEqual(self.ok("GET", "/_lab/servers")["servers"], [])

    def test_what_happens_behind_its_back_is_seen(self):
        number = self.server()
        file, = (self.state / "instances").iterdir()
        file.write_text("off")
        self.assertEqual(self.ok("GET", f"/servers/{number}")["server"]["status"], "off")
        file.unlink()
        self.refused((404, "not_found"), "GET", f"/servers/{number}")

    def test_killed_it_goes_on_and_ended_it_leaves_nothing(self):
        number = self.server()
        self.fault("slow_action", seconds=1)
        action = self.ok("POST", "/servers", {**SERVER, "name": "slow"})["action"]
        self.refused((423, "locked"), "DELETE", f"/servers/{action['resources'][0]['id']}")
        endpoint = self.endpoint
        self.end(signal.SIGKILL)
        self.start()
        self.assertEqual(self.endpoint, endpoint)
        self.assertEqual(self.ok("GET", f"/servers/{number}")["server"]["status"], "running")
        self.assertEqual(self.settled(action)["status"], "success")
        self.end()
        self.assertEqual(os.listdir(self.state / "instances"), [])
        self.start()


class Faults(Emulator):
    def test_each_error_is_met_as_often_as_was_asked(self):
        errors = {
            "unauthorized": (401, "unauthorized"), "forbidden": (403, "forbidden"), "conflict": (409, "conflict"),
            "resource_limit_exceeded": (403, "resource_limit_exceeded"), "unsupported": (422, "unsupported_error"),
            "resource_unavailable": (412, "resource_unavailable"), "locked": (423, "locked"),
            "uniqueness_error": (409, "uniqueness_error"), "invalid_input": (422, "invalid_input"),
            "server_error": (500, "server_error"), "bad_gateway": (502, "bad_gateway"),
            "unavailable": (503, "service_error"), "token_readonly": (403, "token_readonly"),
        }
        for fault, expected in errors.items():
            self.fault(fault)
            self.ok("GET", "/servers")
            self.refused(expected, "POST", "/servers", SERVER)
        self.server()

    def test_too_many_requests(self):
        self.fault("rate_limit_exceeded", retry_after=7, times=None)
        for _ in range(3):
            _, headers = self.refused((429, "rate_limit_exceeded"), "POST", "/servers", SERVER)
        self.assertEqual((headers["Retry-After"], headers["RateLimit-Remaining"]), ("7", "0"))
        self.assertEqual(self.ok("DELETE", "/_lab/faults"), {"faults": []})
        self.server()

    def test_answers_that_are_none(self):
        self.fault("html_502")
        status, text, headers = self.ask("POST", "/servers", SERVER)
        self.assertEqual((status, headers["Content-Type"], text[:6]), (502, "text/html", b"<html>"))
        for fault, made in {"cut": 0, "done_and_cut": 1}.items():
            self.fault(fault)
            with self.assertRaises(http.client.IncompleteRead):
                self.ask("POST", "/servers", SERVER)
            self.assertEqual(len(self.ok("GET", "/servers")["servers"]), made)

    def test_an_action_that_fails_leaves_the_server(self):
        self.fault("action_fails", code="placement_error", message="no room")
        made = self.ok("POST", "/servers", SERVER)
        for action in (made["action"], *made["next_actions"]):
            done = self.settled(action)
            self.assertEqual(done["status"], "error")
            self.assertEqual(done["error"], {"code": "placement_error", "message": "no room"})
        self.assertEqual(self.ok("GET", f"/servers/{made['server']['id']}")["server"]["status"], "off")

    def test_a_firewall_that_is_never_applied(self):
        wall = self.ok("POST", "/firewalls", {"name": "f"})["firewall"]["id"]
        self.fault("firewall_never_applied")
        server = self.ok("GET", f"/servers/{self.server(firewalls=[{'firewall': wall}])}")["server"]
        self.assertEqual(server["public_net"]["firewalls"], [{"id": wall, "status": "pending"}])

    def test_a_wrong_switch_is_refused(self):
        for options in ({"fault": "nope"}, {"fault": "cut", "times": 0}, {"fault": "cut", "where": "here"}):
            self.refused((422, "invalid_input"), "POST", "/_lab/faults", options)


if __name__ == "__main__":
    unittest.main()
