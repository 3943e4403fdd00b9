"""Building packages as users do: a source distribution is made, unpacked, and pip makes a wheel of it.

How fast the code is does not matter here, so it is built without optimisation.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import venv
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
# What cargo has compiled of the dependencies stays there from one run to the next.
TARGET = ROOT / "target" / "packaging"


def run(command: Sequence[str | Path], folder: Path, **variables: str) -> str:
    """Run a command; return what it prints, and show all of it if it fails."""
    environ = {**os.environ, **variables}
    environ.pop("PYTHONPATH", None)
    done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True)
    assert done.returncode == 0, f"{command} failed:\n{done.stdout}\n{done.stderr}"
    return done.stdout


def unpacked_sdist(project: Path, folder: Path) -> Path:
    """The folder of the unpacked source distribution of a project."""
    maturin = Path(sys.executable).parent / "maturin"
    run([maturin, "sdist", "--out", folder], project)
    (archive,) = folder.glob("*.tar.gz")
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")
    (source,) = (path for path in folder.iterdir() if path.is_dir())
    return source


def wheel_of(source: Path, folder: Path) -> Path:
    """The wheel that pip builds from the sources in a folder."""
    run(
        [
            *(sys.executable, "-m", "pip", "wheel", "--no-build-isolation", "--no-deps"),
            *("--wheel-dir", folder, source),
        ],
        folder,
        PATH=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        CARGO_TARGET_DIR=str(TARGET),
        CARGO_PROFILE_RELEASE_LTO="off",
        CARGO_PROFILE_RELEASE_OPT_LEVEL="0",
        CARGO_PROFILE_RELEASE_CODEGEN_UNITS="16",
    )
    (path,) = folder.glob("*.whl")
    return path


def installed(wheel: Path, home: Path) -> Path:
    """The Python of a new environment with the wheel in it."""
    venv.create(home, with_pip=False, symlinks=True)
    python = home / "bin" / "python"
    pip: list[str | Path] = [sys.executable, "-m", "pip", "--python", python]
    run([*pip, "install", "--no-index", wheel], home)
    return python


def files(folder: Path, *suffixes: str) -> set[str]:
    return {
        str(path.relative_to(folder)) for path in folder.rglob("*") if path.suffix in suffixes
    }
