"""Make `dist/cronguard`: one executable file with the package and its libraries, for a Python on the server.

    python packaging/single_file.py [INTERPRETER]

The file is a zip archive after a first line that names the interpreter. It contains bytecode for that interpreter's
version, and the sources, which other versions use. See `start.py` for how it starts.
"""

import marshal
import os
import subprocess
import sys
import zipfile
from importlib.metadata import distribution
from importlib.util import MAGIC_NUMBER

from contents import CHECKOUT, files

# -I ignores the PYTHON* variables, which are meant for the job, and the current directory. -S ignores the server's own
# packages; searching for them would also take time.
FLAGS = "-IS"
HEADER = MAGIC_NUMBER + b"\1\0\0\0" + bytes(8)  # Python never compares it with the source (PEP 552)
EPOCH = (1980, 1, 1, 0, 0, 0)  # so the same input gives the same file


def main(interpreter: str = "/usr/bin/python3") -> None:
    """Write the file for the interpreter, which must have the same version as the one that runs this script."""
    _check(interpreter)
    target = CHECKOUT / "dist/cronguard"
    target.parent.mkdir(exist_ok=True)
    aside = target.with_name(f".{target.name}.new")
    aside.write_bytes(f"#!{interpreter} {FLAGS}\n".encode())
    with zipfile.ZipFile(aside, "a") as archive:
        for path, content in {**files(), "__main__.py": _main()}.items():
            _add(archive, path, content)
    aside.chmod(0o755)
    aside.replace(target)


def _check(interpreter: str) -> None:
    ours = sys.implementation.cache_tag
    if not os.path.exists(interpreter):
        sys.exit(f"{interpreter} does not exist: name the Python that the servers have")
    ask = [interpreter, "-c", "import sys; print(sys.implementation.cache_tag)"]
    found = subprocess.run(ask, capture_output=True, text=True, check=True).stdout.strip()
    if found != ours:
        sys.exit(f"{interpreter} is {found}, but this is {ours}: make .venv with {interpreter}")


def _main() -> bytes:
    entries = {entry.name: entry.value for entry in distribution("cronguard").entry_points}
    return (CHECKOUT / "packaging/start.py").read_bytes() + f"\n\nrun({entries!r})\n".encode()


def _add(archive: zipfile.ZipFile, path: str, content: bytes) -> None:
    """Add a file, for a module also its bytecode. Files that are read at run time are not compressed."""
    how = zipfile.ZIP_STORED if path.endswith(".so") else zipfile.ZIP_DEFLATED
    archive.writestr(zipfile.ZipInfo(path, EPOCH), content, how)
    if path.endswith(".py"):
        code = compile(content, path, "exec", dont_inherit=True)
        archive.writestr(zipfile.ZipInfo(f"{path}c", EPOCH), HEADER + marshal.dumps(code))


if __name__ == "__main__":
    os.umask(0o022)
    main(*sys.argv[1:2])
