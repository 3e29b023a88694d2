"""Merge the settings from options, CRONGUARD_* variables, the user's file and the system's; the first source wins."""

import os
from collections.abc import Mapping
from typing import Any

from cronguard.config.files import read_files
from cronguard.config.settings import SETTINGS, Settings
from cronguard.model.job import check_name
from cronguard.system.errors import ConfigError, UsageError

# Only `cronguard heartbeat` reads and checks these tables.
TABLES = frozenset({"heartbeat", "probes"})

# In a file, or as variables of a crontab, these would give all jobs the same name, or prevent all runs after the first tick.
OF_ONE_LINE = ("name", "tick", "schedule")

# The backend's password, for users who do not keep it in a file of its own. It is not a setting, so it cannot end up
# in a configuration file or a listing.
PASSWORD = "CRONGUARD_BACKEND_PASSWORD"  # noqa: S105 - the variable's name

# These describe the node, so a nested cronguard inherits them; all others are settings of a single run.
_INHERITED = frozenset({"node", "state_dir"})
NOT_INHERITED = frozenset(f"CRONGUARD_{key.upper()}" for key in SETTINGS if key not in _INHERITED) | {
    PASSWORD
}


def load(
    options: Mapping[str, Any], config: str | None = None, env: Mapping[str, str] = os.environ
) -> Settings:
    """Merge all sources into settings; options that are None were not given.

    Raises UsageError for a bad option and ConfigError for a bad variable or file; both name it and its value.
    """
    values: dict[str, Any] = {}
    for path, data in read_files(config or env.get("CRONGUARD_CONFIG")):
        _check_keys(path, data)
        values |= _from_file(path, data)
    cluster = values.get("nodes", ())
    values |= _from_variables(env)
    for key, value in options.items():
        if value is not None:
            values[key] = SETTINGS[key].read(value, SETTINGS[key].spellings(key)[-1])
    values.setdefault("node", _host_name())
    _check_known(values.get("nodes", ()), cluster)
    return Settings(**values)


def _check_keys(path: str, data: dict[str, Any]) -> None:
    for key, value in data.items():
        if key in TABLES and not isinstance(value, dict):
            raise ConfigError(
                f"{path}: {key} must be a table, not {value!r}", f"write [{key}], and its keys below"
            )
        if key not in TABLES and key not in SETTINGS:
            raise ConfigError(f"{path}: unknown key {key!r}", _close_to(key))


def _check_known(nodes: tuple[str, ...], cluster: tuple[str, ...]) -> None:
    """Refuse a node that a file's list of the cluster's nodes does not contain: runs would wait for it forever."""
    unknown = [node for node in nodes if node not in cluster and not node.isdecimal()]
    if unknown and cluster and not cluster[0].isdecimal():
        raise UsageError(
            f"--nodes: {', '.join(unknown)} is not among the configured nodes: {','.join(cluster)}",
            "correct the name, or add the node to the configuration",
        )


def _from_variables(env: Mapping[str, str]) -> dict[str, Any]:
    given = {key: f"CRONGUARD_{key.upper()}" for key in SETTINGS}
    return {key: _configured(key, env[var], var) for key, var in given.items() if env.get(var)}


def _from_file(path: str, data: dict[str, Any]) -> dict[str, Any]:
    keys = data.keys() - TABLES
    values = {key: _configured(key, data[key], f"{path}: {key}") for key in data if key in keys}
    for key in values.keys() & OF_ONE_LINE:
        raise ConfigError(
            f"{path}: {key} belongs to one crontab line, not to all", f"use --{key} in that line"
        )
    return values


def _configured(key: str, value: Any, what: str) -> Any:
    try:
        return SETTINGS[key].read(value, what)
    except UsageError as error:
        raise ConfigError(str(error), error.hint) from error


def _close_to(key: str) -> str:
    import difflib

    close = difflib.get_close_matches(key.replace("-", "_"), [*SETTINGS, *sorted(TABLES)], n=1)
    return f"did you mean {close[0]}?" if close else f"use one of: {', '.join(SETTINGS)}"


def _host_name() -> str:
    name = os.uname().nodename
    try:
        return check_name(name, "host name")
    except UsageError as error:
        raise ConfigError(str(error), 'set node = "NAME" in the configuration, or CRONGUARD_NODE') from error
