"""How the value of a variable is read: the sheet's table, and what the library `figment` tests itself."""
import unittest

from front.values import Panic, merge, overrides, parse


class Values(unittest.TestCase):
    """One test for a kind of value."""

    def same(self, cases):
        for text, value in cases.items():
            with self.subTest(text):
                self.assertEqual(parse(text), value)
                self.assertIs(type(parse(text)), type(value))

    def test_numbers_and_words_become_what_they_look_like(self):
        self.same({"0123": 123, "1234": 1234, "true": True, " false ": False, "1.2": 1.2, "-2": -2, "+5": 5, "3307": 3307,
                   "18446744073709551616": "18446744073709551616", "1e5": "1e5", "3.0.0": "3.0.0"})

    def test_lists_and_tables(self):
        self.same({"[x]": ["x"], "[1,true,hi,\"a \"]": [1, True, "hi", "a "], "{a=b}": {"a": "b"}, "{\"a.b\"=1}": {"a.b": 1},
                   "[[ -1], {a=[ b ]},  hi ]": [[-1], {"a": ["b"]}, "hi"], "[1,]": [1], "{}": {},
                   "[{bind_address=\"0.0.0.0:1\"}]": [{"bind_address": "0.0.0.0:1"}]})

    def test_text_stands_as_it_is(self):
        self.same({"abc def": "abc def", "'abc'": "'abc'", "{x}": "{x}", "": "", "truely": "truely", "a,b": "a,b",
                   " a ": "a", "127.0.0.1:1212": "127.0.0.1:1212", "'a'": "a"})

    def test_quotes_hold_a_text(self):
        self.same({'"0123"': "0123", '"a\\"b\\\\c"': 'a"b\\c', '"é€"': "é€", '"a\\nb"': "a\nb", '"\\u00e9\\U0001f511"': "é🔑",
                   '"true"': "true", '""': ""})

    def test_a_line_break_or_an_unknown_escape_leaves_the_quotes(self):
        self.same({'"a\nb"': '"a\nb"', '"a\\xb"': '"a\\xb"', '"open': '"open', '"a" b': '"a" b'})

    def test_a_backslash_after_other_than_ascii_does_damage(self):
        self.assertEqual(parse('"éa\\"b"'), 'é"b')
        with self.assertRaises(Panic):
            parse('"é\\"c"')

    def test_names_in_any_case_make_tables(self):
        found = overrides({
            "torrust_tracker_config_override_Core__Listed": "true", "TORRUST_TRACKER_CONFIG_OVERRIDE_CORE____X": "1",
            "TORRUST_TRACKER_CONFIG_TOML": "no",
        })
        self.assertEqual(found, {"core": {"listed": True}})

    def test_tables_are_merged_and_lists_are_replaced(self):
        merged = merge({"a": {"b": 1, "c": [1]}}, {"a": {"c": [2], "d": 3}})
        self.assertEqual(merged, {"a": {"b": 1, "c": [2], "d": 3}})


if __name__ == "__main__":
    unittest.main()
