"""The log on standard output, in the styles and with the levels that the configuration chooses."""
import datetime
import json
import sys

LEVELS = ("off", "error", "warn", "info", "debug", "trace")
COLOURS = {"error": 31, "warn": 33, "info": 32, "debug": 34, "trace": 35}
DIM, PLAIN = "\x1b[2m", "\x1b[0m"
# Nothing is logged before the configuration has said how.
setting = {"filter": "off", "style": "full"}


def setup(logging):
    setting.update(filter=logging["trace_filter"], style=logging["trace_style"])


def log(level, target, message):
    if LEVELS.index(level) > LEVELS.index(setting["filter"]):
        return
    now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    if setting["style"] == "json":
        line = {"timestamp": now, "level": level.upper(), "fields": {"message": message}, "target": target}
        text = json.dumps(line, ensure_ascii=False)
    else:
        shown = f"\x1b[{COLOURS[level]}m{level.upper():>5}{PLAIN}"
        if setting["style"] == "pretty":
            text = f"  {DIM}{now}{PLAIN} {shown} {target}: {message}\n"
        else:
            text = f"{DIM}{now}{PLAIN} {shown} {DIM}{target}:{PLAIN} {message}"
    print(text, flush=True)


def info(target, message):
    log("info", target, message)


def warn(target, message):
    log("warn", target, message)


def error(target, message):
    log("error", target, message)


def fail(message):
    """The last words of a start that failed."""
    error("torrust_tracker", f"Tracker startup failed error={message}")
    print(f"Tracker startup failed: {message}", file=sys.stderr, flush=True)
