"""The packages that are migrated: what `packages.toml` says of them, their sources and environments.

Only pip talks to the registry, so its configuration (index, proxy, certificates) applies.
A source distribution is checked against its SHA-256 before it is unpacked, and kept.
Every package has a virtual environment of its own with exactly what `requirements/NAME.txt` pins;
asyncbis is put into it by a path, from this working tree.

Deliberately not here: what is done with a package (`runs.py`).
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
WORK = ROOT / "target" / "migration"

sys.path.insert(0, str(ROOT / "tools"))

from environments import Environment as Environment  # noqa: E402
from environments import Interpreter  # noqa: E402


class Failure(Exception):
    """Something the person who runs this can read and act on."""


@dataclass(frozen=True)
class Package:
    """One entry of `packages.toml`."""

    name: str
    version: str
    sdist: str
    sha256: str
    # What is rewritten, below the top of the source distribution: the package and its tests.
    source: tuple[str, ...]
    tests: tuple[str, ...]
    # The folder that is put on the path of modules.
    root: str = "."
    # Names for `pip install`; what they resolved to is in requirements/NAME.txt.
    requires: tuple[str, ...] = ()
    # Further arguments for pytest, and tests that are left out, each with a reason in the file.
    options: tuple[str, ...] = ()
    leave_out: tuple[str, ...] = ()
    # Plugins for pytest below by_hand/: what a maintainer would change by hand.
    by_hand: str = ""

    @property
    def folder(self) -> Path:
        """Where everything about this package is kept."""
        return WORK / self.name

    @property
    def requirements(self) -> Path:
        return (HERE / "requirements" / f"{self.name}.txt").relative_to(ROOT)


def read(path: Path = HERE / "packages.toml") -> list[Package]:
    """All packages, in the order of the file."""
    packages = []
    for entry in tomllib.loads(path.read_text(encoding="utf-8"))["package"]:
        values: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in entry.items()
        }
        try:
            packages.append(Package(**values))
        except TypeError as error:
            raise Failure(f"{path.name}: {entry.get('name')}: {error}") from None
    return packages


def sha256_of(path: Path) -> str:
    """The digest of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def download(package: Package) -> Path:
    """The source distribution; from the registry only if it isn't there already."""
    folder = WORK / "sdists"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / package.sdist
    if not path.exists():
        with tempfile.TemporaryDirectory(dir=folder) as name:
            command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", name]
            command += ["--disable-pip-version-check", "--no-binary", package.name]
            done = subprocess.run(
                [*command, f"{package.name}=={package.version}"], capture_output=True, text=True
            )
            found = Path(name) / package.sdist
            if not found.exists():
                last = (done.stderr.strip() or "pip brought another file").splitlines()[-1]
                raise Failure(f"{package.name}: no {package.sdist}: {last}")
            found.rename(path)
    digest = sha256_of(path)
    if digest != package.sha256:
        raise Failure(f"{package.sdist} has the SHA-256 {digest}, packages.toml says {package.sha256}")
    return path


def unpack(package: Package, way: str) -> Path:
    """A fresh copy of the source for one way to run it."""
    target = package.folder / way
    shutil.rmtree(target, ignore_errors=True)
    with tempfile.TemporaryDirectory(dir=package.folder) as name:
        with tarfile.open(download(package)) as archive:
            archive.extractall(name, filter="data")
        (inner,) = Path(name).iterdir()
        inner.rename(target)
    return target


def environment(package: Package, python: Interpreter) -> Environment:
    """The environment of a package with what its requirements pin, and asyncbis."""
    package.folder.mkdir(parents=True, exist_ok=True)
    made = Environment(python, package.folder / "venv")
    made.create()
    made.require(package.requirements)
    (site,) = made.folder.glob("lib/python*/site-packages")
    (site / "asyncbis_of_this_tree.pth").write_text(f"{ROOT / 'python'}\n")
    return made


def lock(package: Package, python: Interpreter) -> None:
    """Resolve what a package requires and write requirements/NAME.txt."""
    package.folder.mkdir(parents=True, exist_ok=True)
    made = Environment(python, package.folder / "lock")
    made.create()
    # The package itself is installed for its metadata; the copy comes first on the path.
    made.pip("install", f"{package.name}=={package.version}", "pytest", *package.requires)
    command: list[str | Path] = [made.python, "-m", "pip", "freeze", "--disable-pip-version-check"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    path = ROOT / package.requirements
    path.write_text(f"# Written by `migrate.py --lock {package.name}`.\n{done.stdout}")
    shutil.rmtree(made.folder)
