"""The hooks as pre-commit installs and runs them: `pre-commit try-repo` on a small project.

pre-commit clones the repository and runs `cargo install --path .` in the clone, which looks at no
Cargo.lock: so this is also the test that the newest dependencies that Cargo.toml allows are found
and can be compiled. How fast the hooks are does not matter here, so they are built without
optimisation, and what cargo has compiled stays from one run to the next.

The manifest says `language_version: stable`, for which pre-commit has rustup download a toolchain
on every installation. To need no download the hooks are tried from a clone whose manifest says
`system`, the toolchain of the machine; `ASYNCBIS_HOOKS_RUST=stable` tries the manifest as it is.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
RUST = os.environ.get("ASYNCBIS_HOOKS_RUST", "system")
VARIABLES = {
    "CARGO_TARGET_DIR": str(ROOT / "target" / "pre-commit"),
    "CARGO_PROFILE_RELEASE_LTO": "off",
    "CARGO_PROFILE_RELEASE_OPT_LEVEL": "0",
    "CARGO_PROFILE_RELEASE_CODEGEN_UNITS": "16",
    # Commits are made in the name of nobody, whatever the machine's configuration of git.
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_AUTHOR_NAME": "Nobody",
    "GIT_AUTHOR_EMAIL": "nobody@example.com",
    "GIT_COMMITTER_NAME": "Nobody",
    "GIT_COMMITTER_EMAIL": "nobody@example.com",
    "PRE_COMMIT_COLOR": "never",
}

CLEAN = """\
import asyncio

asyncio.run(asyncio.sleep(0))
"""
BAD = """\
import asyncbis


class Connection:
    async def close(self, lost: asyncbis.Future[None]):
        async with asyncbis.timeout(5):
            await asyncbis.shield(lost)
"""
MENDED = BAD.replace("await asyncbis.shield(lost)", "await asyncbis.wait([lost])\n            lost.result()")
FILES = {
    "clean.py": CLEAN,
    "bad.py": BAD,
    "vendor/bad.py": BAD,
    "notes.txt": BAD,
    "asyncbis-lint.toml": 'exclude = ["vendor"]\n',
}


def run(command: Sequence[str | Path], folder: Path) -> subprocess.CompletedProcess[str]:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    return subprocess.run(
        command, cwd=folder, env={**environ, **VARIABLES}, capture_output=True, text=True
    )


def git(folder: Path, *arguments: str | Path) -> None:
    done = run(["git", *arguments], folder)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def hooks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone of this repository as it was committed last."""
    folder = tmp_path_factory.mktemp("hooks") / "asyncbis"
    git(ROOT, "clone", "--quiet", ROOT, folder)
    manifest = folder / ".pre-commit-hooks.yaml"
    text = manifest.read_text()
    assert text.count("language_version: stable") == text.count("- id: ") == 2
    manifest.write_text(text.replace("language_version: stable", f"language_version: {RUST}"))
    git(folder, "commit", "--quiet", "--all", "--allow-empty", "--message", "Try it here")
    return folder


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with a clean file, a bad one, and a bad one that is excluded."""
    git(tmp_path, "init", "--quiet")
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    git(tmp_path, "add", "--all")
    git(tmp_path, "commit", "--quiet", "--message", "Begin")
    return tmp_path


def contents(project: Path) -> dict[str, str]:
    return {name: (project / name).read_text() for name in FILES}


def try_hooks(hooks: Path, project: Path, *arguments: str) -> tuple[int, str]:
    command: list[str | Path] = [sys.executable, "-m", "pre_commit", "try-repo", hooks, *arguments]
    done = run(command, project)
    assert "Traceback" not in done.stderr and done.returncode in (0, 1), done.stdout + done.stderr
    return done.returncode, done.stdout


def test_both_hooks(hooks: Path, project: Path) -> None:
    # Both at once: the first finds, the second mends.
    code, printed = try_hooks(hooks, project, "--all-files", "--verbose")
    assert code == 1
    check, fix = printed.split("- hook id: asyncbis-lint-fix")
    assert "asyncbis-lint............................................................Failed" in check
    assert "error[BIS301]" in check
    assert "--> bad.py:7:" in check
    assert "vendor" not in check
    assert "Found 1 error in 1 file (checked 2 files)." in check
    assert "- files were modified by this hook" in fix
    assert "1 fixed (checked 2 files)." in fix
    assert contents(project) == {**FILES, "bad.py": MENDED}
    # What was mended is clean; an excluded file that is named alone is none.
    git(project, "add", "bad.py")
    code, printed = try_hooks(hooks, project, "--files", "bad.py", "clean.py", "vendor/bad.py")
    assert code == 0, printed
    assert printed.count("Passed") == 2
    assert contents(project) == {**FILES, "bad.py": MENDED}
