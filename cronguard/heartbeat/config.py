"""The heartbeat's tables in the configuration: how to count, what to check here, what to probe on other nodes."""

import os
from collections.abc import Mapping
from typing import Any, NamedTuple

from cronguard.config.files import read_files
from cronguard.heartbeat.health import Counting
from cronguard.heartbeat.probes import CHECKS, PROBES, Probe
from cronguard.model.duration import parse_duration
from cronguard.model.job import check_name
from cronguard.system.errors import ConfigError, UsageError

_KEYS = ("every", "limit", "rise", "fall", "quorum", "checks")


class HeartbeatConfig(NamedTuple):
    """`every`: seconds between two heartbeats, unless an option overrides it; `limit`: seconds that a probe may take.

    `checks` are this node's own, by name; `probes` are those of other nodes, by node and name.
    """

    every: float = 60.0
    limit: float = 5.0
    counting: Counting = Counting()
    checks: Mapping[str, Probe] = {}
    probes: Mapping[str, Mapping[str, Probe]] = {}


def load_heartbeat(
    config: str | None, nodes: tuple[str, ...] = (), env: Mapping[str, str] = os.environ
) -> HeartbeatConfig:
    """Read the tables `heartbeat` and `probes` of all files; the nearer file wins, key by key.

    The package `config` checks the other keys. Raises ConfigError, naming the file and the key, for anything
    invalid, and for probes of a node that is not among `nodes`.
    """
    found = HeartbeatConfig()
    for path, data in read_files(config or env.get("CRONGUARD_CONFIG")):
        try:
            found = _with_heartbeat(found, data.get("heartbeat", {}), f"{path}: heartbeat")
            found = _with_probes(found, data.get("probes", {}), f"{path}: probes", nodes)
        except UsageError as error:
            raise ConfigError(str(error), error.hint) from error
    return found


def _with_heartbeat(found: HeartbeatConfig, table: dict[str, Any], where: str) -> HeartbeatConfig:
    for key, value in table.items():
        what = f"{where}.{key}"
        if key == "every":
            found = found._replace(every=_seconds(value, what))
        elif key == "limit":
            found = found._replace(limit=_seconds(value, what))
        elif key in ("rise", "fall", "quorum"):
            found = found._replace(counting=found.counting._replace(**{key: _count(value, what)}))
        elif key == "checks":
            found = found._replace(checks={**found.checks, **_probes(value, what, CHECKS)})
        else:
            raise ConfigError(f"{where}: unknown key {key!r}", f"known keys: {', '.join(_KEYS)}")
    return found


def _with_probes(
    found: HeartbeatConfig, table: dict[str, Any], where: str, nodes: tuple[str, ...]
) -> HeartbeatConfig:
    probes = dict(found.probes)
    for node, asked in table.items():
        check_name(node, where)
        if nodes and node not in nodes:
            raise ConfigError(
                f"{where}: {node} is not among the nodes {','.join(nodes)}", "check the spelling"
            )
        probes[node] = {**probes.get(node, {}), **_probes(asked, f"{where}.{node}", PROBES)}
    return found._replace(probes=probes)


def _probes(value: Any, where: str, schemes: tuple[str, ...]) -> dict[str, Probe]:
    if not isinstance(value, dict):
        raise ConfigError(
            f"{where} is not a table", f'write [{where.rpartition(": ")[2]}], then NAME = "PROBE"'
        )
    found = {}
    for name, text in value.items():
        if not isinstance(text, str):
            raise ConfigError(f"{where}.{name}: {text!r} is not a string", "put it in quotes")
        found[check_name(name, where)] = Probe.parse(f"{where}.{name}", text, schemes)
    return found


def _seconds(value: Any, what: str) -> float:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    seconds = parse_duration(str(value) if is_number or isinstance(value, str) else repr(value), what)
    if not 1 <= seconds <= 3600:
        raise ConfigError(f"{what}: {value} is not between 1s and 1h")
    return seconds


def _count(value: Any, what: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 100:
        raise ConfigError(f"{what}: {value!r} is not a whole number from 1 to 100")
    return value
