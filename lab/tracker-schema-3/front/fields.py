"""What a value of the configuration may be: each type takes a value apart, or refuses it with its place."""
import ipaddress
import re
from urllib.parse import urlsplit


class Refused(Exception):
    """A value that cannot be taken, and the keys that lead to it."""

    def __init__(self, what, path=()):
        super().__init__(what)
        self.what, self.path = what, tuple(path)

    def below(self, key):
        return Refused(self.what, (key, *self.path))


def shown(value):
    if isinstance(value, bool):
        return f"bool {str(value).lower()}"
    if isinstance(value, int):
        return f"{'un' if value >= 0 else ''}signed int `{value}`"
    if isinstance(value, float):
        return f"float `{value}`"
    if isinstance(value, str):
        return f'string "{value}"'
    return {dict: "map", list: "sequence"}.get(type(value), type(value).__name__)


def wrong_type(value, expected):
    return Refused(f"invalid type: found {shown(value)}, expected {expected}")


def one_of(names):
    quoted = [f"`{name}`" for name in names]
    return " or ".join(quoted) if len(quoted) < 3 else "one of " + ", ".join(quoted)


def boolean(value):
    if not isinstance(value, bool):
        raise wrong_type(value, "a boolean")
    return value


def text(value):
    if not isinstance(value, str):
        raise wrong_type(value, "a string")
    return value


def secret(value):
    # Only what kind of value it is may be shown.
    if not isinstance(value, str):
        raise Refused(f"invalid type: found {shown(value).split(' `')[0].split(' ')[0]}, expected a string")
    return value


def integer(name, bits):
    def take(value):
        if isinstance(value, bool) or not isinstance(value, int):
            raise wrong_type(value, name)
        if not 0 <= value < 2**bits:
            raise Refused(f"invalid value {shown(value)}, expected {name}")
        return value

    return take


u16, u32, u64, usize = integer("u16", 16), integer("u32", 32), integer("u64", 64), integer("usize", 64)


def choice(*names):
    def take(value):
        if not isinstance(value, str):
            raise wrong_type(value, "a string or an enumeration's variant")
        if value not in names:
            raise Refused(f"unknown variant: found `{value}`, expected `{one_of(names)}`")
        return value

    return take


def socket_address(value):
    """IP address and port, of IPv6 in brackets."""
    found = re.fullmatch(r"(?:([0-9.]+)|\[([0-9A-Fa-f:.]+)(?:%[0-9]+)?\]):([0-9]{1,5})", text(value))
    try:
        if not found or int(found[3]) > 65535:
            raise ValueError
        ip = ipaddress.IPv4Address(found[1]) if found[1] else ipaddress.IPv6Address(found[2])
    except ValueError:
        raise Refused("invalid socket address syntax") from None
    return str(ip), int(found[3])


def external_ip(value):
    try:
        ip = ipaddress.ip_address(text(value))
    except ValueError:
        raise Refused("invalid IP address syntax") from None
    if ip.is_unspecified:
        raise Refused(f"the external IP address must not be unspecified: {ip}")
    return str(ip)


def url(*schemes):
    def take(value):
        try:
            parts = urlsplit(text(value))
            if not parts.scheme or (parts.scheme in ("http", "https") and not parts.hostname):
                raise ValueError("relative URL without a base")
            _ = parts.port
        except ValueError as error:
            raise Refused(f"invalid URL '{value}': {error}") from None
        if parts.scheme not in schemes:
            raise Refused(f"invalid scheme '{parts.scheme}': expected {' or '.join(repr(scheme) for scheme in schemes)}")
        bare = parts.scheme != "udp" and not parts.path and not parts.query
        return value + "/" if bare else value

    return take


def at_least(minimum, take, sentence):
    def bounded(value):
        if take(value) < minimum:
            raise Refused(sentence)
        return value

    return bounded


def table_of(take):
    def each(value):
        if not isinstance(value, dict):
            raise wrong_type(value, "a map")
        return {key: inside(take, value[key], key) for key in sorted(value)}

    return each


def list_of(take):
    def each(value):
        if not isinstance(value, list):
            raise wrong_type(value, "a sequence")
        return [inside(take, item, str(index)) for index, item in enumerate(value)]

    return each


def inside(take, value, key):
    try:
        return take(value)
    except Refused as refused:
        raise refused.below(key) from None


MISSING = object()


class Struct:
    """A table with named fields: name -> (type, default). `MISSING` is a field that must be there."""

    def __init__(self, name, fields, strict=True):
        self.name, self.fields, self.strict = name, fields, strict

    def __call__(self, value):
        if not isinstance(value, dict):
            raise wrong_type(value, f"struct {self.name}")
        taken = {}
        # In the order of the keys, as the library walks through them: the first fault is the one that is reported.
        for key in sorted(value):
            if key in self.fields:
                taken[key] = inside(self.fields[key][0], value[key], key)
            elif self.strict:
                raise Refused(f"unknown field: found `{key}`, expected `{one_of(self.fields)}`", [key])
        for key, (take, default) in self.fields.items():
            if key not in taken:
                if default is MISSING:
                    raise Refused(f"missing field `{key}`")
                taken[key] = default() if callable(default) else default
        return {key: taken[key] for key in self.fields}
