"""What users of asyncbis install: its source distribution has all that it needs, a wheel from it works.

The wheel is built from the unpacked source distribution and installed into a new environment, far
from the repository.
"""

from __future__ import annotations

import email
import sys
import zipfile
from pathlib import Path

import pytest
from building import ROOT, files, installed, run, unpacked_sdist, wheel_of


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the unpacked source distribution."""
    return unpacked_sdist(ROOT, tmp_path_factory.mktemp("sdist"))


@pytest.fixture(scope="module")
def wheel(unpacked: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel that pip builds from the source distribution."""
    return wheel_of(unpacked, tmp_path_factory.mktemp("wheel"))


def test_source_distribution(unpacked: Path) -> None:
    for crate in ("crates/kernel/src", "crates/runtime/src"):
        assert files(unpacked / crate, ".rs") == files(ROOT / crate, ".rs")
    package = "python/asyncbis"
    kinds = (".py", ".pyi", ".typed")
    assert files(unpacked / package, *kinds) == files(ROOT / package, *kinds)
    for name in ("Cargo.lock", "Cargo.toml", "LICENSE", "README.md", "pyproject.toml"):
        assert (unpacked / name).is_file()
    assert not files(unpacked, ".so"), "built modules must not be distributed as sources"
    assert not files(unpacked / "python" / "asyncbis-lint", ".py", ".toml"), "another package"


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
    python = installed(wheel, home)
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
