"""The floors in ARCHITECTURE.md are those that import-linter checks."""

import re
import tomllib

from documents import CHECKOUT, read, section


def floors_checked():
    contract = tomllib.loads(read("pyproject.toml"))["tool"]["importlinter"]["contracts"][0]
    return [set(re.findall(r"cronguard\.(\w+)", layer)) for layer in contract["layers"]]


def floors_described():
    rows = re.findall(r"^\| ([^`|]+) \| (.*) \|$", section("ARCHITECTURE.md", "## The floors"), re.MULTILINE)
    return [set(re.findall(r"`(\w+)/?`", modules)) for name, modules in rows if name != "floor"]


def test_each_floor_has_its_modules():
    described = floors_described()
    checked = floors_checked()
    assert len(described) == len(checked)
    for row, modules in zip(described, checked, strict=True):
        assert modules <= row


def test_every_module_has_a_floor():
    package = CHECKOUT / "cronguard"
    folders = {path.parent.name for path in package.glob("*/__init__.py")}
    modules = {path.stem for path in package.glob("*.py")} - {"__init__", "__main__"}
    assert set.union(*floors_checked()) == modules | folders
