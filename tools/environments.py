"""Finds the machine's Pythons and keeps a virtual environment for each, with asyncbis built into it.

The Makefile calls it; nothing but the standard library of a supported Python is needed.

- One interpreter per minor version is used. The one that the Makefile calls `PYTHON` lives in
  `.venv`, every other one in `target/python/VERSION/venv`.
- asyncbis is installed in place: a change of a Python file needs no build, and the extension is
  built only when a Rust file is newer than what is installed.
- An extension with Cargo features is no other's business: it is installed as a copy, into the
  environment `target/python/VERSION/FEATURES`.
- Each Python has its own folder for Cargo, as PyO3 is compiled for one interpreter at a time and
  a shared folder would be built anew at every change from one to the other.

Nothing is installed outside of the repository's folder.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# The Python package of the linter; that of the runtime is ROOT.
LINTER = ROOT / "python" / "asyncbis-lint"
SUPPORTED = [(3, minor) for minor in range(11, 16)]
REQUIREMENTS = Path("tests/requirements.txt")
RUST_SOURCES = ("Cargo.toml", "Cargo.lock", "pyproject.toml", "crates/kernel", "crates/runtime")
SOURCES = (*RUST_SOURCES, "python/asyncbis")

# What an interpreter is asked about itself; the answer is one line of JSON.
PROBE = """
import importlib.util, json, sys, sysconfig
print(json.dumps({
    "executable": sys.executable,
    "version": list(sys.version_info[:3]),
    "cpython": sys.implementation.name == "cpython",
    "free_threaded": bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
    "installs": any(importlib.util.find_spec(name) for name in ("ensurepip", "pip")),
}))
"""


class Unusable(Exception):
    """The reason why an interpreter or an environment can't be used."""


@dataclass(frozen=True)
class Interpreter:
    """A Python that asyncbis supports."""

    executable: str
    version: tuple[int, int, int]

    @property
    def minor(self) -> tuple[int, int]:
        return self.version[:2]

    def __str__(self) -> str:
        return dotted(self.version)


def dotted(version: Sequence[int]) -> str:
    return ".".join(map(str, version))


def interpreter(command: str) -> Interpreter:
    """The interpreter that a command starts; raises Unusable with the reason if it is none of ours."""
    try:
        answer = subprocess.run([command, "-c", PROBE], capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unusable(f"{command} can't be started: {error}") from None
    if answer.returncode != 0:
        last = (answer.stderr.strip().splitlines() or ["no message"])[0]
        raise Unusable(f"{command} fails: {last}")
    found = json.loads(answer.stdout.splitlines()[-1])
    version = tuple(found["version"])
    if version[:2] not in SUPPORTED:
        raise Unusable(f"{command} is Python {dotted(version)}; supported are {supported()}")
    if not found["cpython"]:
        raise Unusable(f"{command} is not CPython")
    if found["free_threaded"]:
        raise Unusable(f"{command} is a free-threaded build, which is not supported yet")
    if not found["installs"]:
        raise Unusable(f"{command} has neither ensurepip nor pip (Debian: install python3-venv)")
    return Interpreter(found["executable"], version)


def supported() -> str:
    return f"{dotted(SUPPORTED[0])} to {dotted(SUPPORTED[-1])}"


def candidates(first: str) -> Iterator[str]:
    """Commands that may be a supported Python, the preferred one first."""
    yield first
    for version in SUPPORTED:
        yield f"python{dotted(version)}"
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    for version in SUPPORTED:
        found = pyenv.glob(f"{dotted(version)}.*/bin/python")
        yield from map(str, sorted(found, key=lambda path: path.parts[-3], reverse=True))


def find(first: str) -> list[Interpreter]:
    """The machine's interpreters, one per minor version; tells on stderr what is left out, and why."""
    found: dict[tuple[int, int], Interpreter] = {}
    reasons = []
    for command in candidates(first):
        try:
            one = interpreter(command)
        except Unusable as reason:
            if command == first or shutil.which(command):
                reasons.append(str(reason))
            continue
        found.setdefault(one.minor, one)
    for version in SUPPORTED:
        if version not in found:
            why = [reason for reason in reasons if f"python{dotted(version)} " in reason]
            say(f"Python {dotted(version)} is skipped: {'; '.join(why) or 'none was found'}")
    return [found[version] for version in sorted(found)]


@dataclass(frozen=True)
class Environment:
    """A virtual environment of one interpreter, with the extension built with some Cargo features."""

    interpreter: Interpreter
    folder: Path
    features: str = ""

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"

    @property
    def target(self) -> Path:
        """Cargo's folder for this interpreter."""
        return ROOT / "target" / "python" / str(self.interpreter) / "cargo"

    def start(
        self,
        command: Sequence[str | Path],
        variables: dict[str, str],
        *,
        capture: bool,
        folder: Path = ROOT,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command as if the environment was activated."""
        path = f"{self.folder / 'bin'}{os.pathsep}{os.environ.get('PATH', '')}"
        environ = {**os.environ, "VIRTUAL_ENV": str(self.folder), "PATH": path, **variables}
        environ.pop("PYTHONHOME", None)
        output = subprocess.PIPE if capture else None
        both = subprocess.STDOUT if capture else None
        return subprocess.run(
            command, cwd=folder, env=environ, stdout=output, stderr=both, text=True, check=False
        )

    def run(self, *command: str | Path, folder: Path = ROOT, **variables: str) -> None:
        """The same; raises Unusable if the command fails."""
        if self.start(command, variables, capture=False, folder=folder).returncode != 0:
            raise Unusable(f"failed: {shlex.join(map(str, command))}")

    def pip(self, *arguments: str | Path) -> None:
        self.run(self.python, "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments)

    def create(self) -> None:
        """Make the environment unless there is one of this very interpreter."""
        stamp = self.folder / "interpreter"
        if stamp.exists() and stamp.read_text() == repr(self.interpreter) and self.python.exists():
            return
        say(f"Python {self.interpreter}: make {shown(self.folder)}")
        executable = self.interpreter.executable
        made = subprocess.run(
            [executable, "-m", "venv", "--clear", self.folder], capture_output=True, text=True
        )
        if made.returncode != 0:
            # Some interpreters come without ensurepip; their own pip then installs one.
            self.run(executable, "-m", "venv", "--clear", "--without-pip", self.folder)
            self.run(executable, "-m", "pip", "--quiet", "--python", self.python, "install", "pip")
        stamp.write_text(repr(self.interpreter))

    def require(self, requirements: Path) -> None:
        """Install a file of pinned requirements, once for each state of the file."""
        stamp = self.folder / f"{'-'.join(requirements.with_suffix('').parts)}.installed"
        wanted = hashlib.sha256((ROOT / requirements).read_bytes()).hexdigest()
        if stamp.exists() and stamp.read_text() == wanted:
            return
        say(f"Python {self.interpreter}: install {requirements}")
        self.pip("install", "--requirement", requirements)
        stamp.write_text(wanted)

    def build(self) -> None:
        """Build the extension with optimisation, and install the package."""
        stamp = self.folder / "asyncbis.installed"
        changed = newest(SOURCES if self.features else RUST_SOURCES)
        built = any(self.extensions()) or self.features
        if built and stamp.exists() and stamp.stat().st_mtime >= changed:
            return
        say(f"Python {self.interpreter}: build the extension{self.features and ' with '}{self.features}")
        maturin = self.folder / "bin" / "maturin"
        options = ["--quiet", "--release", "--locked"]
        if not self.features:
            self.run(maturin, "develop", *options, CARGO_TARGET_DIR=str(self.target))
        else:
            with tempfile.TemporaryDirectory() as name:
                options += ["--features", self.features, "--out", name]
                options += ["--interpreter", str(self.python)]
                self.run(maturin, "build", *options, CARGO_TARGET_DIR=str(self.target))
                self.pip("install", "--force-reinstall", "--no-deps", *Path(name).glob("*.whl"))
        stamp.touch()
        # A file that was saved while Cargo was at work may or may not be in what was built.
        os.utime(stamp, (changed, changed))

    def extensions(self) -> Iterator[Path]:
        tag = f"cpython-{self.interpreter.version[0]}{self.interpreter.version[1]}"
        return (ROOT / "python" / "asyncbis").glob(f"_core.{tag}-*.so")

    def prepare(self, requirements: Sequence[Path]) -> None:
        """Bring everything up to date."""
        self.create()
        for file in (REQUIREMENTS, *requirements):
            self.require(file)
        self.build()


def newest(names: Sequence[str]) -> float:
    """When the youngest of these files, or of the files in these folders, was changed."""
    paths = [path for name in names for path in (ROOT / name, *(ROOT / name).rglob("*"))]
    made = (".so", ".pyc")
    return max(path.stat().st_mtime for path in paths if path.is_file() and path.suffix not in made)


def environment(one: Interpreter, main: Interpreter, features: str = "") -> Environment:
    folder = ROOT / "target" / "python" / str(one)
    if features:
        return Environment(one, folder / features, features)
    return Environment(one, ROOT / ".venv" if one == main else folder / "venv")


def shown(path: Path) -> str:
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def in_each(environments: Sequence[Environment], commands: Sequence[str]) -> int:
    """Run `python COMMAND` in each environment, as many at once as there are processors.

    All of them are run to their end; what each has printed is shown when it is over.
    """

    def run(one: Environment) -> tuple[str, float]:
        begin = time.monotonic()
        printed, result = "", "passed"
        for command in commands:
            done = one.start([one.python, *shlex.split(command)], {}, capture=True)
            printed += done.stdout
            if done.returncode != 0:
                result = f"failed: python {command}"
                break
        seconds = time.monotonic() - begin
        say(f"\n== Python {one.interpreter}: {' && '.join(commands)}\n{printed.rstrip()}")
        return result, seconds

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        results = list(pool.map(run, environments))
    say("")
    for one, (result, seconds) in zip(environments, results, strict=True):
        say(f"Python {one.interpreter}: {result} ({seconds:.0f} s)")
    return 0 if all(result == "passed" for result, _ in results) else 1


def wheels(maker: Environment, environments: Sequence[Environment], folder: Path) -> int:
    """Build the source distributions, the wheel of the linter, and one of asyncbis for each Python."""
    maker.create()
    maker.require(REQUIREMENTS)
    maturin = maker.folder / "bin" / "maturin"
    folder = folder.resolve()
    maker.run(maturin, "sdist", "--out", folder)
    maker.run(maturin, "sdist", "--out", folder, folder=LINTER)
    say("build the wheel of the linter")
    maker.run(maturin, "build", "--release", "--locked", "--out", folder, folder=LINTER)
    for one in environments:
        say(f"Python {one.interpreter}: build the wheel")
        maker.run(
            maturin, "build", "--release", "--locked", "--out", folder,
            # The environment's Python where there is one: PyO3 is compiled anew for another path.
            "--interpreter", one.python if one.python.exists() else one.interpreter.executable,
            CARGO_TARGET_DIR=str(one.target),
        )
    for path in sorted(folder.iterdir()):
        print(shown(path))
    return 0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--python", default="python3", help="the interpreter of .venv")
    parser.add_argument("--pythons", default="", help="interpreters; by default those of the machine")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("find", help="print the interpreters that would be used")
    commands.add_parser("missing", help="print the supported versions that none of them has")
    prepare = commands.add_parser("prepare", help="make .venv, with asyncbis installed in place")
    each = commands.add_parser("each", help="prepare every environment, then run `python COMMAND` in it")
    for command in (prepare, each):
        command.add_argument("--requirements", action="append", default=[], type=Path)
    each.add_argument("--features", default="", help="of the extension's crate")
    each.add_argument("commands", nargs="+", metavar="COMMAND", help="such as '-m pytest tests'")
    build = commands.add_parser("wheels", help="build a wheel for every interpreter")
    build.add_argument("--out", type=Path, default=ROOT / "target" / "wheels")
    return parser.parse_args()


def main() -> int:
    options = arguments()
    try:
        first = interpreter(options.python)
        if options.command == "prepare":
            environment(first, first).prepare(options.requirements)
            return 0
        given = options.pythons.split()
        found = [interpreter(command) for command in given] if given else find(options.python)
        if options.command == "find":
            print(" ".join(one.executable for one in found))
            return 0
        if options.command == "missing":
            minors = {one.minor for one in found}
            print(" ".join(dotted(version) for version in SUPPORTED if version not in minors))
            return 0
        say(f"Pythons: {' '.join(map(str, found))}")
        if options.command == "wheels":
            environments = [environment(one, first) for one in found]
            return wheels(environment(first, first), environments, options.out)
        environments = [environment(one, first, options.features) for one in found]
        for one in environments:
            one.prepare(options.requirements)
        return in_each(environments, options.commands)
    except Unusable as reason:
        say(f"environments.py: {reason}")
        return 1


if __name__ == "__main__":
    sys.exit(main())
