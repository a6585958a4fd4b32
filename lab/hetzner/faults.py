"""Fault switches, set and cleared while the emulator runs."""
import time
from fnmatch import fnmatchcase

from errors import ApiError

# What ends a request at once: status, code, message.
ERRORS = {
    "unauthorized": (401, "unauthorized", "unable to authenticate"),
    "forbidden": (403, "forbidden", "insufficient permissions for this request"),
    "token_readonly": (403, "token_readonly", "only read access is allowed with this token"),
    "resource_limit_exceeded": (403, "resource_limit_exceeded", "server limit exceeded"),
    "conflict": (409, "conflict", "resource has changed during the request, please retry"),
    "uniqueness_error": (409, "uniqueness_error", "server name is already used"),
    "resource_unavailable": (412, "resource_unavailable", "error during placement"),
    "invalid_input": (422, "invalid_input", "invalid input in field 'server_type'"),
    "unsupported": (422, "unsupported_error", "the given resource does not support this"),
    "locked": (423, "locked", "server is locked"),
    "rate_limit_exceeded": (429, "rate_limit_exceeded", "limit of 3600 requests per hour reached"),
    "server_error": (500, "server_error", "an internal server error occurred"),
    "bad_gateway": (502, "bad_gateway", "the request could not be answered by the API backend, please retry"),
    "unavailable": (503, "service_error", "service is currently unavailable"),
}
# As a proxy in front of the API answers: no JSON.
HTML = {"html_500": 500, "html_502": 502, "html_503": 503}
# What a request sets going otherwise than it should; the server's and the action's code asks for these.
# The last: all is done, and the connection ends in the middle of the answer. CUT: nothing is done, and it ends so, too.
CUT, DONE_AND_CUT = "cut", "done_and_cut"
EFFECTS = {"slow_action", "action_fails", "firewall_never_applied", "no_ssh", "cloud_init_fails", DONE_AND_CUT}
KNOWN = sorted({*ERRORS, *HTML, *EFFECTS, CUT})


class HtmlError(Exception):
    def __init__(self, status):
        super().__init__(status)
        self.status = status


class CutError(Exception):
    """The connection ends in the middle of an answer."""


def make(options):
    """Checks a switch as a test asks for it."""
    allowed = {"fault", "method", "path", "times", "seconds", "code", "message", "retry_after"}
    if options.get("fault") not in KNOWN or set(options) - allowed:
        raise ApiError(422, "invalid_input", f"faults: {', '.join(KNOWN)}; keys: {', '.join(sorted(allowed))}")
    fault = {"method": "*", "path": "*", "times": 1, **options}
    if fault["times"] is not None and not (isinstance(fault["times"], int) and fault["times"] > 0):
        raise ApiError(422, "invalid_input", "times: a number from 1, or null: until cleared")
    return fault


def take(store, method, path):
    """The faults that this request meets, each used up by one."""
    met = []
    with store.lock:
        for fault in store.data["faults"]:
            if fnmatchcase(method, fault["method"]) and fnmatchcase(path, fault["path"]):
                met.append(dict(fault))
    if met:
        use_up(store, met)
    return met


def use_up(store, met):
    with store.change() as data:
        for fault in data["faults"]:
            if fault["times"] is not None and any(fault["id"] == one["id"] for one in met):
                fault["times"] -= 1
        data["faults"] = [fault for fault in data["faults"] if fault["times"] != 0]


def effects(met):
    return {fault["fault"]: fault for fault in met if fault["fault"] in EFFECTS}


def strike(met):
    """Ends the request, if one of the faults is to."""
    for fault in met:
        kind = fault["fault"]
        if kind == CUT:
            raise CutError
        if kind in HTML:
            raise HtmlError(HTML[kind])
        if kind in ERRORS:
            raise error(kind, fault)


def error(kind, fault):
    status, code, message = ERRORS[kind]
    details, headers = None, {}
    if kind == "invalid_input":
        details = {"fields": [{"name": "server_type", "messages": ["Missing data for required field."]}]}
    if kind == "rate_limit_exceeded":
        wait = fault.get("retry_after", 1)
        headers = {"Retry-After": wait, "RateLimit-Remaining": 0, "RateLimit-Reset": int(time.time()) + wait}
    return ApiError(status, fault.get("code", code), fault.get("message", message), details, headers)
