"""Where the configuration comes from, and the rules over all of it: section 1 of what is known of today's tracker."""
import os
import tempfile
import unittest
from pathlib import Path

from front.load import Failure, load, shown

from .samples import MYSQL, OVERRIDE, SMALL, SQLITE, Case


class Sources(unittest.TestCase):
    """The first source counts; they are not merged."""

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.addCleanup(os.chdir, os.getcwd())
        os.chdir(self.folder.name)

    def file(self, name, port):
        path = Path(self.folder.name, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f'{SMALL}[health_check_api]\nbind_address = "127.0.0.1:{port}"\n')
        return str(path)

    def port(self, variables, explicit=None):
        return load(variables, explicit)["health_check_api"]["bind_address"][1]

    def test_explicit_before_text_before_path_before_default(self):
        explicit, named = self.file("explicit.toml", 1), self.file("named.toml", 3)
        text = Path(self.file("text.toml", 2)).read_text()
        self.file("share/default/config/tracker.development.sqlite3.toml", 4)
        path, both = "TORRUST_TRACKER_CONFIG_TOML_PATH", "TORRUST_TRACKER_CONFIG_TOML"
        self.assertEqual(self.port({both: text, path: named}, explicit), 1)
        self.assertEqual(self.port({both: text, path: named}), 2)
        self.assertEqual(self.port({path: named}), 3)
        self.assertEqual(self.port({}), 4)

    def test_a_relative_file_is_searched_in_parent_folders(self):
        self.file("tracker.toml", 5)
        Path("child").mkdir()
        os.chdir("child")
        self.assertEqual(self.port({"TORRUST_TRACKER_CONFIG_TOML_PATH": "tracker.toml"}), 5)
        with self.assertRaisesRegex(Failure, "Unable to load explicit configuration file `tracker.toml`"):
            self.port({}, "tracker.toml")

    def test_a_missing_file_shows_as_the_first_mandatory_option(self):
        with self.assertRaisesRegex(Failure, "Missing mandatory configuration option. Option path: metadata.schema_version"):
            load({"TORRUST_TRACKER_CONFIG_TOML_PATH": "/nowhere.toml"})

    def test_a_folder_is_no_explicit_file(self):
        with self.assertRaisesRegex(Failure, "path is not a regular file"):
            load({}, self.folder.name)

    def test_what_is_wrong_in_an_explicit_file_names_it(self):
        Path("broken.toml").write_text("[core")
        with self.assertRaisesRegex(Failure, "Unable to process explicit configuration file `broken.toml`"):
            load({}, "broken.toml")

    def test_an_override_wins_over_each_source(self):
        over = {OVERRIDE + "HEALTH_CHECK_API__BIND_ADDRESS": "127.0.0.1:9"}
        self.assertEqual(self.port(over, self.file("explicit.toml", 1)), 9)


class Mandatory(Case):
    """Four options have to be given, in this order."""

    def test_each(self):
        lines = {
            "metadata.schema_version": 'schema_version = "3.0.0"', "logging.trace_filter": 'trace_filter = "info"',
            "core.private": "private = false", "core.listed": "listed = false",
        }
        for option, line in lines.items():
            with self.subTest(option):
                self.refused(f"Missing mandatory configuration option. Option path: {option}", base=SMALL.replace(line, ""))

    def test_an_override_is_as_good(self):
        self.load(base=SMALL.replace("listed = false", ""), CORE__LISTED="false")
        self.load(base=SMALL.replace('"3.0.0"', '"2.0.0"'), METADATA__SCHEMA_VERSION="3.0.0")

    def test_version_is_checked_last(self):
        old = SMALL.replace('"3.0.0"', '"2.0.0"')
        self.refused("Unsupported configuration version: 2.0.0", base=old)
        self.refused("unknown field: found `net`", base=old, more="[core.net]\non_reverse_proxy = true\n")
        self.refused("Option path: logging.trace_filter", base=old.replace("trace_filter", "threshold"))
        self.refused("unknown field: found `threshold`", base=old.replace("[core]", 'threshold = "info"\n[core]'))


class Rules(Case):
    """Over several fields."""

    def test_private_mode_needs_private(self):
        mode = "[core.private_mode]\ncheck_keys_expiration = true\n"
        self.refused("can only be included when the tracker is running in private mode", more=mode)
        self.load(mode + SQLITE, CORE__PRIVATE="true")

    def test_a_database_is_needed(self):
        stat = "[core.tracker_policy]\npersistent_torrent_completed_stat = true\n"
        for option, given in {"core.listed": {"CORE__LISTED": "true"}, "core.private": {"CORE__PRIVATE": "true"},
                              "core.tracker_policy.persistent_torrent_completed_stat": {"more": stat}}.items():
            with self.subTest(option):
                self.refused(f"requires persistence for `{option}`, but `[core.database]` is missing", **given)
                more = given.get("more", "")
                self.load(more + SQLITE, **{name: value for name, value in given.items() if name != "more"})

    def test_no_database_is_a_configuration(self):
        self.assertIsNone(self.load()["core"]["database"])

    def test_secrets_are_masked_in_the_log(self):
        text = shown(self.load(MYSQL, HTTP_API__ACCESS_TOKENS__ADMIN="token-of-mine"))
        self.assertNotIn("token-of-mine", text)
        self.assertNotIn('"secret"', text)
        self.assertIn('"admin": "***"', text)


class Overrides(Case):
    """What variables do, by accident, too."""

    def test_one_field_makes_a_table_exist(self):
        self.assertEqual(self.load(CORE__DATABASE__DRIVER="sqlite3")["core"]["database"],
                         {"driver": "sqlite3", "path": "./storage/tracker/lib/database/sqlite3.db"})
        api = self.load(HTTP_API__ACCESS_TOKENS__ADMIN='"0123"')["http_api"]
        self.assertEqual((api["bind_address"], api["access_tokens"]), (("127.0.0.1", 1212), {"admin": "0123"}))

    def test_a_list_replaces_and_an_index_is_refused(self):
        udp = self.load(UDP_TRACKERS='[{bind_address="0.0.0.0:1"}]')["udp_trackers"]
        self.assertEqual([one["bind_address"] for one in udp], [("0.0.0.0", 1)])
        self.refused("invalid type: found map, expected a sequence", UDP_TRACKERS__0__BIND_ADDRESS="0.0.0.0:1")

    def test_a_number_is_no_text(self):
        said = self.refused("invalid type", "TORRUST_TRACKER_CONFIG_OVERRIDE_", "HTTP_API.ACCESS_TOKENS.ADMIN",
                            HTTP_API__ACCESS_TOKENS__ADMIN="0123")
        self.assertNotIn("123", said)
        self.refused("expected a string", more=MYSQL, CORE__DATABASE__PASSWORD="true")

    def test_an_unknown_name_is_refused(self):
        self.refused("unknown field: found `foo`", FOO__BAR="1")
        self.refused("does not accept the `path` field", more=MYSQL, CORE__DATABASE__PATH="mysql://x")
        self.refused("invalid type", more=MYSQL, CORE__DATABASE__PORT='"3307"')


if __name__ == "__main__":
    unittest.main()
