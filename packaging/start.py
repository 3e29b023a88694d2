"""The start of `dist/cronguard`, which is a zip archive.

Python imports modules from a zip archive by itself, but not the shared objects that ssh:// needs. They are loaded from
memory: if they were unpacked to a folder, another user could put other libraries there.
"""

import os
import sys
from importlib.machinery import EXTENSION_SUFFIXES, ExtensionFileLoader, ModuleSpec
from types import ModuleType
from zipimport import zipimporter

CONFIGURATION = 78  # the exit status, as in cronguard.system.errors


class Extensions:
    """Finder for the compiled modules in the archive, for `sys.meta_path`."""

    def __init__(self, archive: zipimporter) -> None:
        self._archive = archive

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        """Return how to import a shared object from the archive, if there is one for this Python."""
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
            # The linker takes equal paths for the same library, and descriptor numbers are reused: hence the dots.
            _FromMemory._loaded += 1
            spec.origin = self.path = f"/proc/self/fd/{'./' * _FromMemory._loaded}{fd}"
            return super().create_module(spec)
        finally:
            os.close(fd)


def install(file: str) -> None:
    """Make Python import only from the archive and its own standard library."""
    archive = os.path.abspath(file)  # the keeper leaves this directory
    sys.path.append(archive)
    sys.meta_path.append(Extensions(zipimporter(archive)))


def run(entries: dict[str, str]) -> None:
    """Run the entry point (`module:function`) with the name that the file, or a link to it, was called by."""
    from importlib import import_module

    if sys.version_info < (3, 11):  # noqa: UP036 - the server may have any Python
        sys.stderr.write(
            f"cronguard: {sys.executable} is Python {sys.version.split()[0]}, but 3.11 or later is needed\n"
        )
        sys.exit(CONFIGURATION)
    install(sys.path.pop(0))
    name = os.path.basename(sys.argv[0])
    module, _, function = entries.get(name, entries["cronguard"]).partition(":")
    getattr(import_module(module), function)()
