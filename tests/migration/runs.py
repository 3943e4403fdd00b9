"""What is done with one package: copy, rewrite, compile, import, run its tests; in several ways.

before: the package as it is, on asyncio.
unchanged: the package as it is, on asyncbis's loop.
patched: the package as it is, after `patch_asyncio()`; it is not in the table.
safe: rewritten by `asyncbis-lint fix --rewrite-imports`, on asyncbis's loop.
unsafe: the same with `--unsafe-fixes`.

A test that fails is run once more, alone with the others that failed: what passes then counts as
passed, so that a busy machine is not taken for a difference.
Deliberately not here: which differences are expected (`compare.py`).
"""

from __future__ import annotations

import contextlib
import difflib
import json
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from packages import HERE, Environment, Failure, Package, unpack

WAYS = ("before", "unchanged", "safe", "unsafe")
LOOPS = {"before": "asyncio", "patched": "patched"} | dict.fromkeys(WAYS[1:], "asyncbis")
FIX = {"safe": ["--rewrite-imports"], "unsafe": ["--rewrite-imports", "--unsafe-fixes"]}
# Seconds that one test may take.
PATIENCE = 20.0
HUNG = "the test did not end"
# How many tests of a package may hang before its other tests are left out.
HANGS = 8
# Several failures at once are no accident of timing.
RETRIED = 40


@dataclass
class Outcome:
    """What became of one test."""

    outcome: str
    loops: list[str] = field(default_factory=list)
    error: str = ""


@dataclass
class Edits:
    """What the rewrite has changed."""

    files: int = 0
    lines: int = 0


@dataclass
class Run:
    """What was found out about one package in one way."""

    tests: dict[str, Outcome] = field(default_factory=dict)
    # Module: the error that importing it raises, or None.
    modules: dict[str, str | None] = field(default_factory=dict)
    uncompiled: list[str] = field(default_factory=list)
    # What is wrong with the rewrite itself.
    complaints: list[str] = field(default_factory=list)
    edits: Edits = field(default_factory=Edits)
    seconds: float = 0.0

    def save(self, path: Path) -> None:
        """Write it as JSON."""
        path.write_text(json.dumps(asdict(self), indent=1))

    @staticmethod
    def load(path: Path) -> Run:
        """Read what `save()` has written."""
        values = json.loads(path.read_text())
        values["tests"] = {name: Outcome(**test) for name, test in values["tests"].items()}
        values["edits"] = Edits(**values["edits"])
        return Run(**values)


def run(package: Package, way: str, made: Environment, linter: Path) -> Run:
    """Do everything for one package in one way."""
    begin = time.monotonic()
    copy = unpack(package, way)
    result = Run()
    if way in FIX:
        result.edits, result.complaints = rewrite(package, copy, FIX[way], linter)
    result.uncompiled = compiled(package, copy, made)
    result.modules = imported(package, copy, made)
    (package.folder / f"{way}.pytest").unlink(missing_ok=True)
    result.tests = tested(package, copy, way, made)
    result.seconds = time.monotonic() - begin
    result.save(package.folder / f"{way}.json")
    return result


def rewrite(
    package: Package, copy: Path, options: Sequence[str], linter: Path
) -> tuple[Edits, list[str]]:
    """Let the linter fix the package and its tests; the diff is kept beside the copy."""
    command: list[str | Path] = [linter, "fix", *options, *existing(package, copy)]
    texts = {path: path.read_bytes() for path in sources(package, copy)}
    complaints = []
    first = subprocess.run(command, cwd=copy, capture_output=True, text=True)
    (package.folder / f"{copy.name}.log").write_text(first.stdout + first.stderr)
    if first.returncode not in (0, 1):
        last = (first.stderr.strip() or "no message").splitlines()[-1]
        complaints.append(f"asyncbis-lint fix ended with {first.returncode}: {last}")
    after = {path: path.read_bytes() for path in sources(package, copy)}
    subprocess.run(command, cwd=copy, capture_output=True, text=True)
    again = [path for path in after if path.read_bytes() != after[path]]
    complaints += [f"fixed again by a second run: {path.relative_to(copy)}" for path in again]
    edits, diff = compare_texts(copy, texts, after)
    (package.folder / f"{copy.name}.diff").write_text(diff)
    return edits, complaints


def compare_texts(
    top: Path, before: dict[Path, bytes], after: dict[Path, bytes]
) -> tuple[Edits, str]:
    """How many files and lines differ, counting a changed line once; and the unified diff."""
    edits, diffs = Edits(), []
    for path, old in before.items():
        if old == after[path]:
            continue
        name = str(path.relative_to(top))
        lines = [text.decode("utf-8", "replace").splitlines(keepends=True) for text in (old, after[path])]
        diff = list(difflib.unified_diff(lines[0], lines[1], name, name))
        added = sum(line.startswith("+") for line in diff) - 1
        removed = sum(line.startswith("-") for line in diff) - 1
        edits.files += 1
        edits.lines += max(added, removed)
        diffs.append("".join(line if line.endswith("\n") else line + "\n" for line in diff))
    return edits, "".join(diffs)


def existing(package: Package, copy: Path) -> list[str]:
    """The folders and files that are rewritten; one that is inside another is named once."""
    names = [str(Path(package.root) / name) for name in package.source] + list(package.tests)
    for name in names:
        if not (copy / name).exists():
            raise Failure(f"{package.name}: the source distribution has no {name}")
    return [
        name
        for name in names
        if not any(other != name and Path(name).is_relative_to(other) for other in names)
    ]


def sources(package: Package, copy: Path) -> list[Path]:
    """Every Python file that is rewritten."""
    found = []
    for name in existing(package, copy):
        path = copy / name
        found += [path] if path.is_file() else [*path.rglob("*.py"), *path.rglob("*.pyi")]
    return sorted(set(found))


def compiled(package: Package, copy: Path, made: Environment) -> list[str]:
    """The files that the package's Python can't compile."""
    code = (
        "import sys\n"
        "for path in sys.argv[1:]:\n"
        "    try: compile(open(path, 'rb').read(), path, 'exec', dont_inherit=True)\n"
        "    except SyntaxError as error: print(f'{path}:{error.lineno}: {error.msg}')\n"
    )
    files = [str(path.relative_to(copy)) for path in sources(package, copy) if path.suffix == ".py"]
    command: list[str | Path] = [made.python, "-W", "ignore", "-c", code, *files]
    return inside(command, copy, {}, 120).splitlines()


def imported(package: Package, copy: Path, made: Environment) -> dict[str, str | None]:
    """What importing each module of the package raises."""
    names = [Path(name).name.removesuffix(".py") for name in package.source]
    script = HERE / "inside" / "migration_imports.py"
    command: list[str | Path] = [made.python, "-W", "ignore", script, copy / package.root, *names]
    printed = inside(command, copy, {}, 120)
    modules: dict[str, str | None] = json.loads(printed.splitlines()[-1]) if printed.strip() else {}
    if not modules:
        raise Failure(f"{package.name}: no modules were found in {copy}")
    return modules


def tested(package: Package, copy: Path, way: str, made: Environment) -> dict[str, Outcome]:
    """Run the package's tests, and those that failed once more."""
    results = pytest_to_the_end(package, copy, way, made, list(package.tests))
    failed = [name for name, test in results.items() if test.outcome == "failed"]
    again = [name for name in failed if "(collection)" not in name and results[name].error != HUNG]
    if again and len(failed) <= RETRIED:
        second = pytest_to_the_end(package, copy, way, made, again)
        results |= {name: second[name] for name in again if name in second}
    return results


def pytest_to_the_end(
    package: Package, copy: Path, way: str, made: Environment, tests: Sequence[str]
) -> dict[str, Outcome]:
    """Run pytest, and again for what is left when a test hung or ended the process."""
    results: dict[str, Outcome] = {}
    while tests and sum(test.error == HUNG for test in results.values()) < HANGS:
        found, collected = pytest_run(package, copy, way, made, tests)
        results |= found
        tests = [name for name in collected if name not in results]
    return results | {name: Outcome("failed", [], "it was not run") for name in tests}


def pytest_run(
    package: Package, copy: Path, way: str, made: Environment, tests: Sequence[str]
) -> tuple[dict[str, Outcome], list[str]]:
    """One run of pytest: the results, and what it has collected."""
    results = package.folder / f"{way}.results"
    results.unlink(missing_ok=True)
    # Where a package does not configure pytest, this ends the search before ours is found.
    (package.folder / "pytest.ini").touch()
    arguments = package.folder / f"{way}.arguments"
    arguments.write_text("\n".join(tests))
    command: list[str | Path] = [made.python, "-m", "pytest", "-p", "migration_observer"]
    command += [f"--rootdir={copy}", "-p", "no:cacheprovider", "--tb=short", "-o", "addopts=", "-q"]
    if way == "patched":
        # patch_asyncio(deprecated="warn") warns of what the tests' own runner calls.
        command += ["-W", "ignore:asyncio.:DeprecationWarning"]
    if way in FIX and package.by_hand:
        command += ["-p", package.by_hand]
    command += [*package.options, *(f"--deselect={name}" for name in package.leave_out)]
    path = [copy / package.root, HERE / "inside", HERE / "by_hand"]
    variables = {
        "PYTHONPATH": os.pathsep.join(map(str, path)),
        "PYTHONHASHSEED": "0",
        "MIGRATION_LOOP": LOOPS[way],
        "MIGRATION_RESULTS": str(results),
    }
    printed = inside([*command, f"@{arguments}"], copy, variables, PATIENCE, results)
    with (package.folder / f"{way}.pytest").open("a") as file:
        file.write(printed)
    if not results.exists():
        last = (printed.strip() or "nothing").splitlines()[-1]
        raise Failure(f"{package.name}: pytest did not start ({way}): {last}")
    return parsed(results.read_text())


def parsed(lines: str) -> tuple[dict[str, Outcome], list[str]]:
    """The results of the observer, and what was collected; a test that did not end has failed."""
    found: dict[str, Outcome] = {}
    collected: list[str] = []
    for line in lines.splitlines():
        values = json.loads(line)
        if "collected" in values:
            collected = values["collected"]
        elif "start" in values:
            found[values["start"]] = Outcome("failed", [], HUNG)
        else:
            found[values["test"]] = Outcome(values["outcome"], values["loops"], values["error"])
    return found, collected


def inside(
    command: Sequence[str | Path],
    folder: Path,
    variables: dict[str, str],
    patience: float,
    progress: Path | None = None,
) -> str:
    """What a command prints, its errors included.

    When for `patience` seconds nothing is added to the file `progress`, or without one the command
    hasn't ended, it is ended together with everything that it has started.
    """
    environ = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    with tempfile.TemporaryFile("w+", errors="replace") as output:
        process = subprocess.Popen(
            [str(part) for part in command],
            cwd=folder,
            env=environ | variables,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            last, size = time.monotonic(), -1
            while process.poll() is None and time.monotonic() - last < patience:
                time.sleep(0.05)
                if progress and progress.exists() and progress.stat().st_size != size:
                    last, size = time.monotonic(), progress.stat().st_size
        finally:
            # What it has left behind goes, too.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        output.seek(0)
        return output.read()

