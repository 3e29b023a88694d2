"""What `dist/cronguard` begins with: it is a zip archive, whose modules Python imports by itself.

Shared objects, which ssh:// needs, it does not. They are loaded from memory, since a folder to unpack them to would be
a place where somebody else could put his own.
"""

import os
import sys
from importlib.machinery import EXTENSION_SUFFIXES, ExtensionFileLoader, ModuleSpec
from types import ModuleType
from zipimport import zipimporter

CONFIGURATION = 78  # the exit status, as in cronguard.system.errors


class Extensions:
    """Finds what was compiled, for `sys.meta_path`."""

    def __init__(self, archive: zipimporter) -> None:
        self._archive = archive

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        """Return how to import a shared object of the archive, if it has one for this Python."""
        for suffix in EXTENSION_SUFFIXES:
            try:
                content = self._archive.get_data(name.replace(".", "/") + suffix)
            except OSError:
                continue
            return ModuleSpec(name, _FromMemory(name, content))
        return None


class _FromMemory(ExtensionFileLoader):
    _loaded = 0

    def __init__(self, name: str, content: bytes) -> None:
        super().__init__(name, name)
        self._content = content

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        fd = os.memfd_create(spec.name)
        try:
            with open(fd, "wb", closefd=False) as file:
                file.write(self._content)
            # The linker takes an equal path for the same library, and a descriptor's number comes again: hence the dots.
            _FromMemory._loaded += 1
            spec.origin = self.path = f"/proc/self/fd/{'./' * _FromMemory._loaded}{fd}"
            return super().create_module(spec)
        finally:
            os.close(fd)


def install(file: str) -> None:
    """Have Python import from the archive, and from nowhere else but its own library."""
    archive = os.path.abspath(file)  # the keeper leaves this directory
    sys.path.append(archive)
    sys.meta_path.append(Extensions(zipimporter(archive)))


def run(entries: dict[str, str]) -> None:
    """Run the entry point that the file was called by, `module:function`, by its name or that of a link to it."""
    from importlib import import_module

    if sys.version_info < (3, 11):  # noqa: UP036 - whatever Python the server has
        sys.stderr.write(
            f"cronguard: {sys.executable} is Python {sys.version.split()[0]}, and 3.11 is needed\n"
        )
        sys.exit(CONFIGURATION)
    install(sys.path.pop(0))
    name = os.path.basename(sys.argv[0])
    module, _, function = entries.get(name, entries["cronguard"]).partition(":")
    getattr(import_module(module), function)()
