"""Clients' addresses, connection ids, bans and figures."""
import asyncio
import struct
import unittest
from unittest import mock

from front import bencode
from front.api import Api
from front.http_tracker import HttpTracker, reworded
from front.metrics import Listener, Metrics
from front.schema import CONFIGURATION, HTTP_TRACKER, UDP_TRACKER, UDP_TRACKER_SERVER
from front.udp_tracker import Bans, Cookies, Refusal, UdpTracker
from front.web import Answer, Request

CLIENT = ("198.51.100.7", 4000)


class Engine:
    """Remembers what it is asked."""

    def __init__(self, body=b"d8:completei1e10:incompletei0e8:intervali120e5:peers0:e"):
        self.asked, self.body, self.tracker = [], body, self

    async def ask(self, method, target, headers=None, body=b""):
        self.asked.append((target, (headers or {}).get("x-forwarded-for")))
        return Answer(200, self.body)


def http(**settings):
    listener = Listener(Metrics(), "http", HTTP_TRACKER({"tracker_usage_statistics": True, **settings}))
    return HttpTracker(listener, Engine(), 74)


def ask(tracker, query, headers=None, client=CLIENT, path="/announce"):
    return asyncio.run(tracker.answer(Request("GET", path, query, headers or {}, b"", client)))


class HttpAddresses(unittest.TestCase):
    """Which address the engine is told."""

    def told(self, tracker, query="info_hash=a", headers=None, client=CLIENT):
        ask(tracker, query, headers, client)
        return tracker.engine.asked[-1][1]

    def test_direct(self):
        self.assertEqual(self.told(http(), headers={"x-forwarded-for": "203.0.113.1"}), CLIENT[0])

    def test_behind_a_proxy_the_right_most_address_counts(self):
        tracker = http(network={"on_reverse_proxy": True})
        self.assertEqual(self.told(tracker, headers={"x-forwarded-for": "1.2.3.4, 203.0.113.1"}), "203.0.113.1")
        self.assertIsNone(self.told(tracker))

    def test_a_loopback_peer_gets_the_external_address(self):
        tracker = http(network={"external_ip": "203.0.113.9"})
        self.assertEqual(self.told(tracker, client=("127.0.0.1", 1)), "203.0.113.9")
        self.assertEqual(self.told(tracker), CLIENT[0])

    def test_an_address_in_the_query(self):
        self.assertIn(b"failure reason", ask(http(), "info_hash=a&ip=203.0.113.1").body)
        self.assertEqual(self.told(http(), "info_hash=a&ip="), CLIENT[0])
        allowed = http(use_ip_from_query_string=True)
        self.assertEqual(self.told(allowed, "info_hash=a&ip=203.0.113.1"), "203.0.113.1")
        self.assertIn(b"failure reason", ask(allowed, "info_hash=a&ip=name.test").body)

    def test_peers_and_scrapes_are_bounded(self):
        tracker = http()
        ask(tracker, "info_hash=a&numwant=500")
        self.assertEqual(tracker.engine.asked[-1][0], "/announce?info_hash=a&numwant=74")
        ask(tracker, "&".join(f"info_hash={number}" for number in range(120)), path="/scrape")
        self.assertEqual(tracker.engine.asked[-1][0].count("info_hash="), 100)

    def test_refusals_have_new_words(self):
        old = bencode.failure("Authentication error: Missing authentication key param for private tracker. Error in x")
        self.assertIn(b"Tracker authentication error: Missing authentication key", reworded(old))


class Udp(unittest.IsolatedAsyncioTestCase):
    """One listener, without a socket."""

    def tracker(self, server=None, **settings):
        self.metrics, self.sent = Metrics(), []
        listener = Listener(self.metrics, "udp", UDP_TRACKER({"tracker_usage_statistics": True, **settings}))
        tracker = UdpTracker(listener, Engine(), Bans(UDP_TRACKER_SERVER(server or {}), self.metrics), 74)
        tracker.connection_made(mock.Mock(sendto=lambda data, client: self.sent.append(data)))
        return tracker

    async def asks(self, tracker, data, client=CLIENT):
        before = len(self.sent)
        tracker.datagram_received(data, client)
        await asyncio.gather(*tracker.tasks)
        return self.sent[before] if len(self.sent) > before else None

    def announce(self, cookie):
        return cookie + struct.pack(">II20s20sqqqIIIiH", 1, 7, b"h" * 20, b"p" * 20, 0, 0, 0, 2, 0, 0, -1, 9)

    async def test_connect_and_announce(self):
        tracker = self.tracker()
        connected = await self.asks(tracker, struct.pack(">QII", 0x41727101980, 0, 7))
        answer = await self.asks(tracker, self.announce(connected[8:]))
        self.assertEqual(struct.unpack(">IIIII", answer[:20]), (1, 7, 120, 0, 1))
        self.assertEqual(tracker.engine.asked[0][1], CLIENT[0])
        self.assertEqual(self.metrics.sum("udp_tracker_server_requests_accepted_total", request_kind="announce"), 1)

    async def test_more_than_the_limit_of_wrong_ids_is_a_ban(self):
        tracker = self.tracker({"max_connection_id_errors_per_ip": 2})
        for _ in range(3):
            self.assertEqual((await self.asks(tracker, self.announce(b"x" * 8)))[3], 3)
        self.assertIsNone(await self.asks(tracker, struct.pack(">QII", 0x41727101980, 0, 7)))
        self.assertIsNotNone(await self.asks(tracker, struct.pack(">QII", 0x41727101980, 0, 7), ("198.51.100.8", 1)))
        self.assertEqual(self.metrics.sum("udp_tracker_server_requests_banned_total"), 1)
        self.assertEqual(self.metrics.sum("udp_tracker_server_ips_banned_total"), 1)

    async def test_disabled_validation_takes_any_id_and_bans_nobody(self):
        tracker = self.tracker({"connection_id_validation": "disabled", "max_connection_id_errors_per_ip": 0})
        for _ in range(3):
            self.assertEqual((await self.asks(tracker, self.announce(b"x" * 8)))[3], 1)

    async def test_port_0_is_discarded(self):
        tracker = self.tracker()
        self.assertIsNone(await self.asks(tracker, struct.pack(">QII", 0x41727101980, 0, 7), (CLIENT[0], 0)))
        self.assertEqual(self.metrics.sum("udp_tracker_server_requests_discarded_total"), 1)

    async def test_without_its_flag_a_listener_counts_errors_of_ids_alone(self):
        tracker = self.tracker(tracker_usage_statistics=False)
        await self.asks(tracker, self.announce(b"x" * 8))
        self.assertEqual(list(self.metrics.samples), ["udp_tracker_server_ips_banned_total"])

    def test_connection_ids_hold_for_a_time_and_a_client(self):
        cookies = Cookies({"secs": 60, "nanos": 0})
        cookie = cookies.make(CLIENT)
        cookies.check(cookie, CLIENT)
        with self.assertRaises(Refusal):
            cookies.check(cookie, (CLIENT[0], 4001))
        cookies.began -= 61
        with self.assertRaisesRegex(Refusal, "expired"):
            cookies.check(cookie, CLIENT)


class ApiTokens(unittest.TestCase):
    """Who may ask."""

    def refusal(self, headers=None, **query):
        config = CONFIGURATION({"http_api": {"access_tokens": {"admin": "right", "other": "two"}}})
        answer = Api(config, None, None, None).refusal(Request("GET", "/", "", headers or {}, b"", CLIENT), query)
        return answer and answer.body.decode()

    def test_tokens(self):
        self.assertIsNone(self.refusal(token="right"))
        self.assertIsNone(self.refusal({"authorization": "Bearer two"}, token="wrong"))
        self.assertIn("unauthorized", self.refusal())
        self.assertIn("token not valid", self.refusal({"authorization": "Bearer wrong"}, token="right"))
        self.assertIn("unknown token provided", self.refusal({"authorization": "Basic right"}))


class Output(unittest.TestCase):
    """Of the metrics."""

    def test_only_what_was_counted(self):
        metrics = Metrics()
        self.assertEqual(metrics.prometheus(), "")
        metrics.count("udp_tracker_server_errors_total", {"b": '"', "a": 1})
        self.assertTrue(metrics.prometheus().endswith('udp_tracker_server_errors_total{a="1",b="\\""} 1'))

    def test_public_url_is_a_label_where_it_is_configured(self):
        for given, expected in (({}, False), ({"public_url": "udp://x.test:1"}, True)):
            listener = Listener(Metrics(), "udp", UDP_TRACKER(given))
            self.assertEqual("public_url" in listener.labels("::ffff:1.2.3.4"), expected)
        self.assertEqual(listener.labels("::ffff:1.2.3.4")["client_address_ip_type"], "v4_mapped_v6")


if __name__ == "__main__":
    unittest.main()
