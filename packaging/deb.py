"""Make `dist/cronguard_VERSION_ARCH.deb` from `dist/cronguard`, using only `dpkg-deb`, without maintainer scripts.

Run this after `packaging/single_file.py`.
"""

import gzip
import os
import re
import subprocess
import sys
import tempfile
import zipfile
from importlib.metadata import distribution
from pathlib import Path

from contents import CHECKOUT

from cronguard import __version__

PROGRAM = CHECKOUT / "dist/cronguard"
OWN = CHECKOUT / "packaging/debian"
COMPLETIONS = {
    "bash": "usr/share/bash-completion/completions/cronguard",
    "zsh": "usr/share/zsh/vendor-completions/_cronguard",
    "fish": "usr/share/fish/vendor_completions.d/cronguard.fish",
}
STATE = "var/lib/cronguard"


def main() -> None:
    """Write the package to `dist/`."""
    architecture = _said_by("dpkg", "--print-architecture")
    target = CHECKOUT / f"dist/cronguard_{__version__}_{architecture}.deb"
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "root"
        for path, content in _files().items():
            _put(root / path, content)
        _put(root / "usr/bin/cronguard", PROGRAM.read_bytes(), 0o755)
        for entry in distribution("cronguard").entry_points.names - {"cronguard"}:
            (root / "usr/bin" / entry).symlink_to("cronguard")
        _put(root / "DEBIAN/control", _control(architecture, root).encode())
        _put(root / "DEBIAN/conffiles", b"/etc/cronguard/config.toml\n")
        (root / STATE).mkdir(parents=True)
        command = ["dpkg-deb", "--root-owner-group", "-Zxz", "--build", str(root), str(target)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def _files() -> dict[str, bytes]:
    """Return all files except the program, as path -> content."""
    files = {
        f"usr/share/man/man{page.suffix[1:]}/{page.name}.gz": _packed(page)
        for page in CHECKOUT.glob("man/*.[1-8]")
    }
    files |= {
        path: (CHECKOUT / f"completions/cronguard.{shell}").read_bytes()
        for shell, path in COMPLETIONS.items()
    }
    files |= {f"usr/lib/systemd/system/{unit.name}": unit.read_bytes() for unit in CHECKOUT.glob("systemd/*")}
    return files | {
        "etc/cronguard/config.toml": (OWN / "config.toml").read_bytes(),
        "usr/lib/tmpfiles.d/cronguard.conf": (OWN / "tmpfiles.conf").read_bytes(),
        "usr/share/doc/cronguard/changelog.gz": _packed(CHECKOUT / "CHANGELOG.md"),
        "usr/share/doc/cronguard/copyright": _licences().encode(),
    }


def _control(architecture: str, root: Path) -> str:
    size = sum(path.stat().st_size for path in root.rglob("*") if path.is_file()) // 1024
    return (OWN / "control").read_text().format(
        version=__version__, architecture=architecture, size=size, python=_python(), next=_python(1),
    )  # fmt: skip


def _python(more: int = 0) -> str:
    return f"3.{sys.version_info.minor + more}"


def _licences() -> str:
    """Return the project's own licence, followed by those of the libraries in the program."""
    with zipfile.ZipFile(PROGRAM) as archive:
        names = [
            name
            for name in archive.namelist()
            if re.search(r"\.dist-info/.*(LICEN[CS]E|COPYING|NOTICE)", name)
        ]
        theirs = [f"{name}\n\n{archive.read(name).decode()}" for name in names]
    return "\n\n".join([(CHECKOUT / "LICENSE").read_text(), "The program contains these libraries:", *theirs])


def _packed(file: Path) -> bytes:
    return gzip.compress(file.read_bytes(), mtime=0)


def _put(path: Path, content: bytes, mode: int = 0o644) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    path.chmod(mode)


def _said_by(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


if __name__ == "__main__":
    os.umask(0o022)
    main()
