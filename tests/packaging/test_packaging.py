"""What users install: the source distribution has all that it needs, and a wheel from it works.

The wheel is built from the unpacked source distribution and installed into a new environment, far
from the repository. How fast the code is does not matter here, so it is built without optimisation.
"""

import email
import os
import subprocess
import sys
import tarfile
import venv
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest

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


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the unpacked source distribution."""
    folder = tmp_path_factory.mktemp("sdist")
    maturin = Path(sys.executable).parent / "maturin"
    run([maturin, "sdist", "--out", folder], ROOT)
    (archive,) = folder.glob("*.tar.gz")
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")
    (source,) = (path for path in folder.iterdir() if path.is_dir())
    return source


@pytest.fixture(scope="module")
def wheel(unpacked: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel that pip builds from the source distribution."""
    folder = tmp_path_factory.mktemp("wheel")
    run(
        [
            *(sys.executable, "-m", "pip", "wheel", "--no-build-isolation", "--no-deps"),
            *("--wheel-dir", folder, unpacked),
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


def files(folder: Path, *suffixes: str) -> set[str]:
    return {
        str(path.relative_to(folder)) for path in folder.rglob("*") if path.suffix in suffixes
    }


def test_source_distribution(unpacked: Path) -> None:
    for crate in ("crates/kernel/src", "crates/runtime/src"):
        assert files(unpacked / crate, ".rs") == files(ROOT / crate, ".rs")
    package = "python/asyncbis"
    kinds = (".py", ".pyi", ".typed")
    assert files(unpacked / package, *kinds) == files(ROOT / package, *kinds)
    for name in ("Cargo.lock", "Cargo.toml", "LICENSE", "README.md", "pyproject.toml"):
        assert (unpacked / name).is_file()
    assert not files(unpacked, ".so"), "built modules must not be distributed as sources"


def test_wheel(wheel: Path) -> None:
    version = f"cp{sys.version_info.major}{sys.version_info.minor}"
    assert f"-{version}-{version}-" in wheel.name, "wheels are for one version of Python"
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        (metadata,) = (name for name in names if name.endswith("/METADATA"))
        message = email.message_from_bytes(archive.read(metadata))
        (entry_points,) = (name for name in names if name.endswith("/entry_points.txt"))
        assert b"asyncbis.pytest_plugin" in archive.read(entry_points)
    assert {"asyncbis/py.typed", "asyncbis/_core.pyi", "asyncbis/__init__.py"} <= set(names)
    assert len([name for name in names if name.endswith(".so")]) == 1
    assert any(name.endswith("/licenses/LICENSE") for name in names)
    assert message["Name"] == "asyncbis"
    assert message["Requires-Python"] == ">=3.11"
    required = message.get_all("Requires-Dist", [])
    assert required and all("extra == " in requirement for requirement in required)


def test_installed_elsewhere(wheel: Path, tmp_path: Path) -> None:
    home = tmp_path / "environment"
    venv.create(home, with_pip=False, symlinks=True)
    python = home / "bin" / "python"
    run([sys.executable, "-m", "pip", "--python", python, "install", "--no-index", wheel], tmp_path)
    program = tmp_path / "program.py"
    program.write_text(
        "import asyncbis\n"
        "async def main():\n"
        "    with asyncbis.move_on_after(0.01) as scope:\n"
        "        await asyncbis.sleep(60)\n"
        "    return scope.cancelled_caught\n"
        "print(asyncbis.run(main()), asyncbis.__file__)\n"
    )
    printed = run([python, program], tmp_path).split()
    assert printed[0] == "True"
    assert Path(printed[1]).is_relative_to(home)
