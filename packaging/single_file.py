"""Make `dist/cronguard`: the package and the libraries it uses, as one executable file for a Python on the server.

    python packaging/single_file.py [INTERPRETER]

It is a zip archive after a first line that names the interpreter, with the bytecode of that interpreter's version and
with the sources, which any other takes. See `start.py` for how it begins.
"""

import marshal
import os
import subprocess
import sys
import zipfile
from importlib.metadata import distribution
from importlib.util import MAGIC_NUMBER

from contents import CHECKOUT, files

# -I: neither PYTHON* variables, which are the job's, nor the current directory reach us. -S: nor do the server's own
# packages, which would also take time to look for.
FLAGS = "-IS"
HEADER = MAGIC_NUMBER + b"\1\0\0\0" + bytes(8)  # bytecode that is never compared with its source (PEP 552)
EPOCH = (1980, 1, 1, 0, 0, 0)  # the same input makes the same file


def main(interpreter: str = "/usr/bin/python3") -> None:
    """Write the file for the interpreter, which must be of the version that runs this."""
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
        sys.exit(f"{interpreter} is not there: name the Python that the servers have")
    ask = [interpreter, "-c", "import sys; print(sys.implementation.cache_tag)"]
    found = subprocess.run(ask, capture_output=True, text=True, check=True).stdout.strip()
    if found != ours:
        sys.exit(f"{interpreter} is {found}, and this is {ours}: make .venv with it")


def _main() -> bytes:
    entries = {entry.name: entry.value for entry in distribution("cronguard").entry_points}
    return (CHECKOUT / "packaging/start.py").read_bytes() + f"\n\nrun({entries!r})\n".encode()


def _add(archive: zipfile.ZipFile, path: str, content: bytes) -> None:
    """Add a file, a module with its bytecode. What is read to run is not compressed."""
    how = zipfile.ZIP_STORED if path.endswith(".so") else zipfile.ZIP_DEFLATED
    archive.writestr(zipfile.ZipInfo(path, EPOCH), content, how)
    if path.endswith(".py"):
        code = compile(content, path, "exec", dont_inherit=True)
        archive.writestr(zipfile.ZipInfo(f"{path}c", EPOCH), HEADER + marshal.dumps(code))


if __name__ == "__main__":
    os.umask(0o022)
    main(*sys.argv[1:2])
