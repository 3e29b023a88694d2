"""The text format that Prometheus and the textfile collector of node_exporter read."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

Labels = tuple[tuple[str, str], ...]


class Family(NamedTuple):
    """A metric: its name, its type (`gauge` or `counter`), its meaning, and a value for each set of labels."""

    name: str
    kind: str
    meaning: str
    samples: Mapping[Labels, float]


def expose(families: Iterable[Family]) -> str:
    """Return the families as text; families without samples are left out."""
    return "".join(_family(family) for family in families if family.samples)


def _family(family: Family) -> str:
    meaning = family.meaning.replace("\\", r"\\").replace("\n", r"\n")
    head = f"# HELP {family.name} {meaning}\n# TYPE {family.name} {family.kind}\n"
    lines = [f"{family.name}{_labels(labels)} {value!r}\n" for labels, value in family.samples.items()]
    return head + "".join(lines)


def _labels(labels: Labels) -> str:
    shown = ",".join(f'{name}="{_escaped(value)}"' for name, value in labels)
    return f"{{{shown}}}" if shown else ""


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
