"""The rooms in ARCHITECTURE.md are the ones that import-linter checks, and the ones that exist."""

import re
import tomllib

from documents import CHECKOUT, read, section


def contract(name):
    contracts = tomllib.loads(read("pyproject.toml"))["tool"]["importlinter"]["contracts"]
    [found] = [one for one in contracts if one["name"].startswith(name)]
    return found


def rooms_checked():
    return [set(layer.split(" | ")) for layer in contract("rooms")["layers"]]


def rooms_described():
    rows = re.findall(
        r"^\| (\d+) \| `(\w+)/` \| .* \|$", section("ARCHITECTURE.md", "## The rooms"), re.MULTILINE
    )
    floors = sorted({int(floor) for floor, _ in rows}, reverse=True)
    return [{room for floor, room in rows if int(floor) == each} for each in floors]


def test_each_room_is_on_the_floor_that_import_linter_checks():
    assert rooms_described() == rooms_checked()


def test_every_room_is_described():
    folders = {path.parent.name for path in (CHECKOUT / "cronguard").glob("*/__init__.py")}
    assert set.union(*rooms_described()) == folders


def test_every_file_that_it_names_exists():
    named = set(re.findall(r"\b((?:[a-z]\w*/)+\w+\.(?:py|md|toml))\b", read("ARCHITECTURE.md")))
    named -= {"cli/NAME.py", "turns/NAME.py"}
    found = {name for name in named if any((CHECKOUT / top / name).exists() for top in (".", "cronguard"))}
    assert len(named) > 40
    assert named - found == set()


def test_every_family_of_backends_is_in_the_contracts():
    folders = {path.parent.name for path in (CHECKOUT / "cronguard/store").glob("*/__init__.py")} - {"shared"}
    layers = " ".join(contract("in the store")["layers"]).replace("|", " ").split()
    independent = {name.removeprefix("cronguard.store.") for name in contract("the families")["modules"]}
    assert folders <= set(layers)
    assert folders <= independent


def test_the_package_itself_has_no_modules():
    assert {path.name for path in (CHECKOUT / "cronguard").glob("*.py")} == {"__init__.py", "__main__.py"}


def test_the_init_file_of_a_room_contains_only_its_one_line_docstring():
    faces = [
        path for path in (CHECKOUT / "cronguard").rglob("__init__.py") if path.parent.name != "cronguard"
    ]
    assert [str(path) for path in faces if not re.fullmatch(r'"""[^"\n]+"""\n', path.read_text())] == []
