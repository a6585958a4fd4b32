"""Values of environment variables, read as the library `figment` reads them, and the merging of tables."""
import re

PREFIX = "TORRUST_TRACKER_CONFIG_OVERRIDE_"
SEPARATORS = ",{}[]"
BLANKS = " \t\n\r\f"
SIMPLE_ESCAPES = {'"': '"', "\\": "\\", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
FLOAT = re.compile(r"[+-]?(\d+\.\d*|\.\d+)([eE][+-]?\d+)?\Z", re.ASCII)
INTEGER = re.compile(r"[+-]?\d+\Z", re.ASCII)


class Unreadable(Exception):
    """The text has no form of its own: it is taken as it stands."""


class Panic(Exception):
    """What ends the real program with a Rust panic."""


def parse(text):
    """The value that a variable's text becomes."""
    try:
        reader = Reader(text)
        value = reader.value()
        if reader.at != len(text):
            raise Unreadable
        return value
    except Unreadable:
        return text


class Reader:
    """Reads one value from a text."""

    def __init__(self, text):
        self.text, self.at = text, 0

    def peek(self):
        return self.text[self.at : self.at + 1]

    def eat(self, token):
        if not self.text.startswith(token, self.at):
            return False
        self.at += len(token)
        return True

    def need(self, token):
        if not self.eat(token):
            raise Unreadable

    def blanks(self):
        while self.peek() and self.peek() in BLANKS:
            self.at += 1

    def value(self):
        self.blanks()
        value = self.bare_value()
        self.blanks()
        return value

    def bare_value(self):
        if self.eat("true"):
            return True
        if self.eat("false"):
            return False
        first = self.peek()
        if first == "{":
            return dict(self.collect("{", self.key_value, "}"))
        if first == "[":
            return self.collect("[", self.value, "]")
        if first == '"':
            return self.string()
        if first == "'":
            return self.character()
        return self.word()

    def collect(self, start, item, end):
        self.need(start)
        found = []
        while not self.eat(end):
            found.append(item())
            if not self.eat(","):
                self.need(end)
                break
        return found

    def key_value(self):
        self.blanks()
        key = self.string() if self.peek() == '"' else self.identifier()
        self.blanks()
        self.need("=")
        return key, self.value()

    def identifier(self):
        found = re.compile(r"[A-Za-z0-9_-]+").match(self.text, self.at)
        if not found:
            raise Unreadable
        self.at = found.end()
        return found.group()

    def character(self):
        self.need("'")
        one = self.peek()
        self.at += 1
        self.need("'")
        return one

    def string(self):
        self.need('"')
        start = self.at
        while self.peek() and self.peek() != '"':
            self.at += 2 if self.peek() == "\\" else 1
        inner = self.text[start : self.at]
        self.need('"')
        return unescape(inner)

    def word(self):
        start = self.at
        while self.peek() and self.peek() not in SEPARATORS:
            self.at += 1
        word = self.text[start : self.at].strip()
        if FLOAT.match(word):
            return float(word)
        if INTEGER.match(word) and -(2**63) <= int(word) < 2**64:
            return int(word)
        return word


def unescape(text):
    """The text between double quotes. As in the library, what stands before the first backslash is cut by its number of
    characters, though in bytes: text that is not ASCII there is damaged, or ends the program."""
    output, at = None, 0
    while at < len(text):
        char = text[at]
        if char == "\\":
            if output is None:
                output = cut(text, at)
            escaped, at = escape(text, at + 1)
            output += escaped
            continue
        if char != "\t" and (char < " " or char == "\x7f"):
            raise Unreadable
        if output is not None:
            output += char
        at += 1
    return text if output is None else output


def cut(text, count):
    try:
        return text.encode()[:count].decode()
    except UnicodeDecodeError:
        raise Panic(f"byte index {count} is not a char boundary") from None


def escape(text, at):
    char = text[at : at + 1]
    if char in SIMPLE_ESCAPES:
        return SIMPLE_ESCAPES[char], at + 1
    length = {"u": 4, "U": 8}.get(char)
    digits = text[at + 1 : at + 1 + (length or 0)]
    if not length or not re.fullmatch(f"[0-9A-Fa-f]{{{length}}}", digits):
        raise Unreadable
    number = int(digits, 16)
    if number > 0x10FFFF or 0xD800 <= number <= 0xDFFF:
        raise Unreadable
    return chr(number), at + 1 + length


def overrides(variables):
    """The tables that the environment's variables make."""
    tables = {}
    for name, text in variables.items():
        name = name.strip()
        if not name.upper().startswith(PREFIX):
            continue
        path = name[len(PREFIX) :].replace("__", ".").strip().lower().split(".")
        if all(path):
            table = parse(text)
            for key in reversed(path):
                table = {key: table}
            tables = merge(tables, table)
    return tables


def merge(base, over):
    """Both tables in one; where they differ the second wins."""
    merged = dict(base)
    for key, value in over.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = merge(merged[key], value) if both else value
    return merged


def find(tables, path):
    """The value at a path of keys, None where there is none."""
    for key in path.split("."):
        if not isinstance(tables, dict) or key not in tables:
            return None
        tables = tables[key]
    return tables
