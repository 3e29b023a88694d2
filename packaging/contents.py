"""The contents of the single file: the checkout's package, and the libraries it requires as installed in `.venv`."""

from collections.abc import Iterator
from importlib.metadata import Distribution, PackageNotFoundError, PackagePath, distribution
from pathlib import Path

from packaging.requirements import Requirement

CHECKOUT = Path(__file__).resolve().parent.parent
LEFT_OUT = {"tests", "tzdata"}  # time zones are read from the system's files
DESCRIPTIONS = ("METADATA", "LICENSE", "LICENCE", "COPYING", "NOTICE")


def files() -> dict[str, bytes]:
    """Return all files by path: modules, shared objects, metadata and licences."""
    own = {str(file.relative_to(CHECKOUT)): file for file in sorted((CHECKOUT / "cronguard").rglob("*.py"))}
    theirs = {
        str(path): Path(str(path.locate()))
        for each in used_distributions()
        for path in sorted(each.files or ())
        if _is_wanted(path)
    }
    return {path: file.read_bytes() for path, file in {**own, **theirs}.items()}


def used_distributions() -> list[Distribution]:
    """Return the distributions that cronguard requires, directly or indirectly, including installed extras."""
    found: dict[str, Distribution] = {}
    _collect("cronguard", set(distribution("cronguard").metadata.get_all("Provides-Extra") or ()), found)
    del found["cronguard"]
    return list(found.values())


def _is_wanted(path: PackagePath) -> bool:
    if path.parts[0].endswith(".dist-info"):
        return path.name.upper().startswith(DESCRIPTIONS)
    return path.suffix in (".py", ".so") and not LEFT_OUT & set(path.parts)


def _collect(name: str, extras: set[str], found: dict[str, Distribution]) -> None:
    each = distribution(name)
    if name in found or any(path.parts[0].endswith(".libs") for path in each.files or ()):
        return  # a distribution that brings shared libraries beside its modules cannot be loaded from memory
    found[name] = each
    for requirement, is_optional in _requirements(each, extras):
        try:
            _collect(requirement.name, requirement.extras, found)
        except PackageNotFoundError:
            if not is_optional:
                raise


def _requirements(each: Distribution, extras: set[str]) -> Iterator[tuple[Requirement, bool]]:
    """Yield what a distribution requires on this machine, and whether only an extra requires it."""
    for requirement in map(Requirement, each.requires or ()):
        marker = requirement.marker
        if marker is None or marker.evaluate({"extra": ""}):
            yield requirement, False
        elif any(marker.evaluate({"extra": extra}) for extra in extras):
            yield requirement, True
