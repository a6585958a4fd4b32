"""Configurations that the tests begin with."""
import unittest

from front.load import Failure, load

SMALL = """
[metadata]
schema_version = "3.0.0"
[logging]
trace_filter = "info"
[core]
listed = false
private = false
"""
OVERRIDE = "TORRUST_TRACKER_CONFIG_OVERRIDE_"
MYSQL = """
[core.database]
driver = "mysql"
host = "mysql"
user = "tracker"
password = "secret"
database = "tracker"
"""
SQLITE = '[core.database]\npath = "/tmp/x.db"\n'


class Case(unittest.TestCase):
    """With what most tests ask."""

    def load(self, more="", base=SMALL, **variables):
        over = {OVERRIDE + name: value for name, value in variables.items()}
        return load({"TORRUST_TRACKER_CONFIG_TOML": base + more, **over})

    def refused(self, *words, **given):
        with self.assertRaises(Failure) as caught:
            self.load(**given)
        for word in words:
            self.assertIn(word, str(caught.exception))
        return str(caught.exception)
