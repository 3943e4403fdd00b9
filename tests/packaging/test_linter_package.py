"""What users of the linter install: `pip install` of `python/asyncbis-lint` puts it on the PATH.

The wheel is built from the unpacked source distribution and installed into a new environment, far
from the repository.
"""

from __future__ import annotations

import email
import subprocess
import tomllib
import zipfile
from pathlib import Path

import pytest
from building import ROOT, files, installed, run, unpacked_sdist, wheel_of

PACKAGE = ROOT / "python" / "asyncbis-lint"
VERSION = tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]["package"]["version"]


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the unpacked source distribution."""
    return unpacked_sdist(PACKAGE, tmp_path_factory.mktemp("sdist"))


@pytest.fixture(scope="module")
def wheel(unpacked: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel that pip builds from the source distribution."""
    return wheel_of(unpacked, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of a new environment with the wheel in it."""
    return installed(wheel, tmp_path_factory.mktemp("environment"))


def test_source_distribution(unpacked: Path) -> None:
    for folder in ("crates/cli", "crates/linter/src", "crates/rule_page/src"):
        assert files(unpacked / folder, ".rs") == files(ROOT / folder, ".rs")
    assert files(unpacked / "rules", ".md") == files(ROOT / "rules", ".md")
    assert files(unpacked / "asyncbis_lint", ".py") == files(PACKAGE / "asyncbis_lint", ".py")
    for name in ("Cargo.lock", "Cargo.toml", "LICENSE", "DESCRIPTION.md", "pyproject.toml"):
        assert (unpacked / name).is_file()
    others = {"crates", "rules", "asyncbis_lint"}
    assert {path.name for path in unpacked.iterdir() if path.is_dir()} == others
    assert {path.name for path in (unpacked / "crates").iterdir()} == {"cli", "linter", "rule_page"}


def test_wheel(wheel: Path) -> None:
    assert wheel.name.startswith(f"asyncbis_lint-{VERSION}-py3-none-"), "one wheel for all Pythons"
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        (metadata,) = (name for name in names if name.endswith("/METADATA"))
        message = email.message_from_bytes(archive.read(metadata))
        assert archive.read(next(name for name in names if name.endswith("/licenses/LICENSE")))
    assert any(name.endswith(".data/scripts/asyncbis-lint") for name in names)
    assert {name for name in names if name.endswith(".py")} == {
        "asyncbis_lint/__init__.py",
        "asyncbis_lint/__main__.py",
    }
    assert message["Name"] == "asyncbis-lint"
    assert message["Version"] == VERSION
    assert message["License-Expression"] == "MIT"
    assert "Requires-Dist" not in message
    assert str(message.get_payload()).strip() == (PACKAGE / "DESCRIPTION.md").read_text().strip()


def test_the_command_is_on_the_path(python: Path, tmp_path: Path) -> None:
    command = python.parent / "asyncbis-lint"
    assert run([command, "--version"], tmp_path) == f"asyncbis-lint {VERSION}\n"
    assert "BIS101" in run([command, "rule", "--all"], tmp_path)


def test_the_module_starts_the_command(python: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text("x = 1  # noqa: BIS777\n")
    start: list[str | Path] = [python, "-m", "asyncbis_lint"]
    assert run([*start, "--version"], tmp_path) == f"asyncbis-lint {VERSION}\n"
    arguments = ["check", "bad.py", "--output-format", "concise", "--quiet"]
    done = subprocess.run([*start, *arguments], cwd=tmp_path, capture_output=True, text=True)
    found = "bad.py:1:8: warning[BIS001] `BIS777` suppresses nothing here [safe fix]\n"
    assert (done.returncode, done.stdout, done.stderr) == (1, found, "")


def test_the_module_without_its_command_says_where_it_looked(python: Path, tmp_path: Path) -> None:
    code = "import sysconfig; sysconfig.get_path = lambda *a, **k: '/nowhere'; " \
        "import runpy; runpy.run_module('asyncbis_lint', run_name='__main__')"
    done = subprocess.run([python, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 1
    assert "FileNotFoundError: asyncbis-lint is in none of /nowhere, " in done.stderr
