"""What the API accepts in a request's fields."""
import base64
import binascii
import ipaddress
import re

from errors import invalid_input

WORD = "[a-zA-Z0-9]([-_.a-zA-Z0-9]{0,61}[a-zA-Z0-9])?"
HOST_WORD = "[a-zA-Z0-9]([-a-zA-Z0-9]{0,61}[a-zA-Z0-9])?"
HOST_NAME = re.compile(rf"^(?=.{{1,253}}$){HOST_WORD}(\.{HOST_WORD})*$")
LABEL_KEY = re.compile(rf"^({HOST_WORD}(\.{HOST_WORD})*/)?{WORD}$")
LABEL_VALUE = re.compile(rf"^({WORD})?$")
PORT = re.compile(r"^(\d{1,5})(?:-(\d{1,5}))?$")
MOST_RULES, MOST_ADDRESSES = 50, 100


def name(body):
    text = body.get("name")
    if not isinstance(text, str) or not 0 < len(text) <= 128:
        raise invalid_input("name", "Missing data for required field." if not text else "Not a valid name.")
    return text


def host_name(body):
    if not HOST_NAME.match(name(body)):
        raise invalid_input("name", "Not a valid hostname.")
    return body["name"]


def labels(body):
    given = body.get("labels") or {}
    for key, value in given.items():
        if not LABEL_KEY.match(key) or not isinstance(value, str) or not LABEL_VALUE.match(value):
            raise invalid_input("labels", f"Invalid label: {key}")
    return given


def public_key(body):
    """The key's own bytes, which tell whether two lines hold the same key."""
    words = str(body.get("public_key", "")).split()
    try:
        blob = base64.b64decode(words[1], validate=True)
    except (IndexError, binascii.Error):
        raise invalid_input("public_key", "Not a valid SSH public key.") from None
    kind = words[0].encode()
    if not blob.startswith(len(kind).to_bytes(4, "big") + kind):
        raise invalid_input("public_key", "Not a valid SSH public key.")
    return blob


def rules(given):
    if len(given) > MOST_RULES:
        raise invalid_input("rules", f"Longer than maximum length {MOST_RULES}.")
    return [rule(f"rules.{number}", one) for number, one in enumerate(given)]


def rule(field, given):
    direction, protocol = given.get("direction"), given.get("protocol")
    if direction not in ("in", "out"):
        raise invalid_input(f"{field}.direction", "Must be one of: in, out.")
    if protocol not in ("tcp", "udp", "icmp", "esp", "gre"):
        raise invalid_input(f"{field}.protocol", "Must be one of: tcp, udp, icmp, esp, gre.")
    port(f"{field}.port", protocol, given.get("port"))
    used, unused = ("source_ips", "destination_ips") if direction == "in" else ("destination_ips", "source_ips")
    if not given.get(used) or given.get(unused):
        raise invalid_input(f"{field}.{used}", f"A rule of direction {direction} needs {used}, and no {unused}.")
    if len(given[used]) > MOST_ADDRESSES:
        raise invalid_input(f"{field}.{used}", f"Longer than maximum length {MOST_ADDRESSES}.")
    return {
        "direction": direction, "protocol": protocol, "port": given.get("port"), unused: [],
        used: [network(f"{field}.{used}", address) for address in given[used]],
        "description": given.get("description"),
    }


def port(field, protocol, given):
    if protocol not in ("tcp", "udp"):
        if given is not None:
            raise invalid_input(field, f"Not allowed for protocol {protocol}.")
        return
    if given is None:
        raise invalid_input(field, f"Required for protocol {protocol}.")
    ends = PORT.match(str(given))
    first, last = (int(ends[1]), int(ends[2] or ends[1])) if ends else (0, 0)
    if given != "any" and not 1 <= first <= last <= 65535:
        raise invalid_input(field, "Not a valid port or range of ports.")


def network(field, given):
    try:
        if "/" not in given:
            raise ValueError("a CIDR block is needed")
        return str(ipaddress.ip_network(given))
    except ValueError as error:
        raise invalid_input(field, f"Not a valid CIDR block: {error}.") from None
