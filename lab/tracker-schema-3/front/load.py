"""From files and variables to a configuration, by the rules of today's tracker."""
import json
import tomllib
from pathlib import Path

from .fields import Refused
from .schema import CONFIGURATION
from .values import find, merge, overrides

TOML = "TORRUST_TRACKER_CONFIG_TOML"
TOML_PATH = "TORRUST_TRACKER_CONFIG_TOML_PATH"
DEFAULT_PATH = "./share/default/config/tracker.development.sqlite3.toml"
MANDATORY = ("metadata.schema_version", "logging.trace_filter", "core.private", "core.listed")
NOT_LOADED = "Tracker configuration could not be loaded. Correct the configuration source and restart: "
INCONSISTENT = "Tracker configuration is inconsistent. Correct the reported settings and restart: "
UNMET = (
    "Tracker configuration has unmet persistence requirements. "
    "Configure `[core.database]` or disable the dependent capability: "
)


class Failure(Exception):
    """Why the tracker does not start."""


def load(variables, explicit=None):
    """The whole configuration, checked."""
    try:
        config = loaded(variables, explicit)
    except Failure as failure:
        inside = f"Unable to process explicit configuration file `{explicit}`: " if explicit and failure.args[1:] == () else ""
        raise Failure(NOT_LOADED + inside + failure.args[0]) from None
    check(config["core"])
    return config


def loaded(variables, explicit):
    source, base = read(variables, explicit)
    over = overrides(variables)
    tables = merge(base, over)
    for option in MANDATORY:
        if find(tables, option) is None:
            raise Failure(f"Missing mandatory configuration option. Option path: {option}")
    try:
        config = CONFIGURATION(tables)
    except Refused as refused:
        raise Failure(f"Failed processing the configuration: {located(refused, source, over)}") from None
    version = config["metadata"]["schema_version"]
    if version != "3.0.0":
        raise Failure(f"Unsupported configuration version: {version}")
    return config


def read(variables, explicit):
    """Where the base comes from, and its tables. The sources are not merged: the first one counts."""
    if explicit is not None:
        return "TOML source string", parsed(explicit_text(explicit), "TOML source string")
    if TOML in variables:
        return "TOML source string", parsed(variables[TOML], "TOML source string")
    path = searched(Path(variables.get(TOML_PATH, DEFAULT_PATH)))
    if path is None:
        return "TOML file", {}
    source = f"{path} TOML file"
    try:
        return source, parsed(path.read_text(encoding="utf-8"), source)
    except (OSError, UnicodeDecodeError) as error:
        raise Failure(f"Failed processing the configuration: {reason(error)} in {source}") from None


def explicit_text(path):
    try:
        if Path(path).exists() and not Path(path).is_file():
            raise OSError("path is not a regular file")
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        # The second argument: this message has the path already.
        raise Failure(f"Unable to load explicit configuration file `{path}`: {reason(error)}", path) from None


def reason(error):
    number = getattr(error, "errno", None)
    return f"{error.strerror} (os error {number})" if number else str(error)


def searched(path):
    """The file, a relative one in the parent folders, too."""
    if path.is_absolute():
        return path if path.is_file() else None
    here = Path.cwd()
    return next((folder / path for folder in (here, *here.parents) if (folder / path).is_file()), None)


def parsed(text, source):
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise Failure(f"Failed processing the configuration: TOML parse error: {error} in {source}") from None


def located(refused, source, over):
    """The refusal with its place: in the file, or in the environment."""
    if not refused.path:
        return f"{refused.what} in {source}"
    keys = [key for key in refused.path]
    if find(over, ".".join(keys)) is not None:
        name = ".".join(key.upper() for key in keys)
        return f'{refused.what} for key "{name}" in `TORRUST_TRACKER_CONFIG_OVERRIDE_` environment variable(s)'
    return f'{refused.what} for key "default.{".".join(keys)}" in {source}'


def check(core):
    """The rules over several fields."""
    if core["private_mode"] is not None and not core["private"]:
        raise Failure(
            INCONSISTENT + "Private mode section in configuration can only be included when the tracker is running in "
            "private mode."
        )
    if core["database"] is not None:
        return
    needing = {
        "core.listed": core["listed"],
        "core.private": core["private"],
        "core.tracker_policy.persistent_torrent_completed_stat":
            core["tracker_policy"]["persistent_torrent_completed_stat"],
    }
    for option, wanted in needing.items():
        if wanted:
            raise Failure(UNMET + f"Configuration requires persistence for `{option}`, but `[core.database]` is missing.")


def shown(config):
    """The configuration as it is logged: JSON, its secrets masked."""
    def masked(key, value):
        if key == "access_tokens":
            return {label: "***" for label in value}
        if key == "password":
            return "***"
        if key == "bind_address":
            return address(value)
        if isinstance(value, dict):
            return {name: masked(name, inner) for name, inner in value.items()}
        return [masked(None, inner) for inner in value] if isinstance(value, list) else value

    return json.dumps(masked(None, config), indent=2)


def address(pair):
    host, port = pair
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
