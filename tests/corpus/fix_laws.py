#!/usr/bin/env python3
"""The laws of `asyncbis-lint fix`, on the corpus.

Every package is copied, the copy is fixed, and then

- the exit code says what happened, and nothing was reported as a bug;
- every file that Python could compile before still compiles;
- a second run changes nothing, not one byte;
- no file has more findings at or above warning than before;
- only files changed that had a finding or import something that is rewritten;
- nothing else lies in the folders, and modes and line ends are what they were;
- the rewrite by new names and the rewrite by an alias are the same program.

`--mode` names the options to try; by default all of `MODES` are.
The code of the corpus is compiled, never imported or run.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import warnings
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from findings import ROOT, Failure
from same_program import are_same

MODES: dict[str, list[str]] = {
    "safe": [],
    "unsafe": ["--unsafe-fixes", "--target", "asyncbis"],
    "timeout": ["--unsafe-fixes", "--target", "asyncbis", "--cleanup-timeout", "5"],
    "rename": ["--unsafe-fixes", "--rewrite-imports"],
    "alias": ["--unsafe-fixes", "--rewrite-imports", "--alias"],
    "minimal": ["--rewrite-imports", "--minimal", "--docs"],
    "migrate": ["--rewrite-imports", "--migrate", "anyio,async_timeout,aiotools,asynkit"],
}
SUFFIXES = {".py", ".pyi", ".ipynb"}
# What a file must contain to be rewritten.
REWRITTEN = re.compile(rb"asyncio|async_timeout|aiotools|asynkit|anyio")


class Snapshot(NamedTuple):
    content: bytes
    mode: int


Files = dict[Path, Snapshot]


def snapshot(folder: Path) -> Files:
    return {
        path.relative_to(folder): Snapshot(path.read_bytes(), path.stat().st_mode)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def compiles(content: bytes) -> bool:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            compile(content, "file.py", "exec", dont_inherit=True)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return False
    return True


def line_ends(content: bytes) -> tuple[bool, bool, bool]:
    """Which kinds of line ends a file has."""
    rest = content.replace(b"\r\n", b"")
    return b"\r\n" in content, b"\n" in rest, b"\r" in rest


class Linter(NamedTuple):
    binary: Path

    def run(self, command: str, folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
        arguments = [str(self.binary), command, "--isolated", *options, "."]
        return subprocess.run(arguments, capture_output=True, text=True, cwd=folder)

    def findings(self, folder: Path) -> Counter[Path]:
        """How many findings at or above warning each file has."""
        done = self.run("check", folder, "--output-format", "json", "--target", "asyncbis")
        if done.returncode not in (0, 1):
            raise Failure(f"check ended with {done.returncode}: {done.stderr.strip()}")
        found: list[dict[str, str]] = json.loads(done.stdout)
        return Counter(Path(os.path.relpath(row["filename"], folder)) for row in found)


class Result(NamedTuple):
    seconds: float
    changed: int
    broken: list[str]


def try_package(linter: Linter, package: Path, options: list[str]) -> Result:
    """Fixes a copy of a package; `broken` are the laws that do not hold."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(os.path.realpath(name)) / package.name
        shutil.copytree(package, folder)
        before, found_before = snapshot(folder), linter.findings(folder)
        start = time.perf_counter()
        done = linter.run("fix", folder, "--output-format", "concise", *options)
        seconds = time.perf_counter() - start
        after, found_after = snapshot(folder), linter.findings(folder)
        broken = []
        if done.returncode not in (0, 1):
            broken.append(f"the exit code is {done.returncode}: {done.stderr.strip()}")
        changed = [path for path in before if path in after and before[path] != after[path]]
        broken += compared(before, after, changed)
        for path in changed:
            if found_after[path] > found_before[path]:
                broken.append(f"{path}: {found_before[path]} findings became {found_after[path]}")
            if not found_before[path] and not REWRITTEN.search(before[path].content):
                # A suppression that suppresses nothing is a finding, too.
                broken.append(f"{path}: changed, and there was nothing to do")
        again = linter.run("fix", folder, "--output-format", "concise", *options)
        second = snapshot(folder)
        broken += [f"{path}: changed again" for path in after if second.get(path) != after[path]]
        if again.returncode != done.returncode:
            broken.append(f"the second exit code is {again.returncode}, not {done.returncode}")
        return Result(seconds, len(changed), broken)


def compared(before: Files, after: Files, changed: list[Path]) -> list[str]:
    broken = [f"{path}: is gone" for path in before if path not in after]
    broken += [f"{path}: is new" for path in after if path not in before]
    for path in changed:
        old, new = before[path], after[path]
        if path.suffix not in SUFFIXES:
            broken.append(f"{path}: is no Python file")
        if old.mode != new.mode:
            broken.append(f"{path}: the mode {old.mode:o} became {new.mode:o}")
        if line_ends(old.content) != line_ends(new.content):
            broken.append(f"{path}: the line ends changed")
        is_code = path.suffix in {".py", ".pyi"}
        if is_code and compiles(old.content) and not compiles(new.content):
            broken.append(f"{path}: does not compile any more")
    return broken


def try_styles(linter: Linter, package: Path) -> list[str]:
    """The files of which the two styles of the rewrite make different programs."""
    with tempfile.TemporaryDirectory() as name:
        copies = [Path(os.path.realpath(name)) / style for style in ("rename", "alias")]
        for copy in copies:
            shutil.copytree(package, copy)
            # Syntax errors have no fixes: the imports only.
            options = ["--select", "BIS000", "--rewrite-imports"]
            if copy.name == "alias":
                options.append("--alias")
            linter.run("fix", copy, *options)
        renamed, aliased = (snapshot(copy) for copy in copies)
        return [
            f"{path}: the two styles are different programs"
            for path, file in renamed.items()
            if path.suffix in {".py", ".pyi"}
            and compiles(file.content)
            and not are_same(file.content, aliased[path].content)
        ]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("packages", nargs="*", help="names of packages; by default all")
    parser.add_argument("--corpus", type=Path, default=ROOT / "corpus")
    parser.add_argument("--linter", type=Path, default=ROOT / "target/release/asyncbis-lint")
    parser.add_argument("--mode", action="append", choices=[*MODES, "styles"])
    return parser.parse_args()


def main() -> int:
    given = arguments()
    packages = sorted(path for path in given.corpus.iterdir() if path.is_dir())
    if given.packages:
        packages = [it for it in packages if it.name.split("-")[0] in given.packages]
    if not packages:
        raise Failure(f"no packages in {given.corpus}: run `make corpus`")
    linter = Linter(given.linter.resolve())
    failures = 0
    for mode in given.mode or [*MODES, "styles"]:
        seconds, changed = 0.0, 0
        for package in packages:
            if mode == "styles":
                different = try_styles(linter, package)
                failures += len(different)
                for law in different:
                    print(f"{mode}: {package.name}: {law}", flush=True)
                continue
            result = try_package(linter, package, MODES[mode])
            seconds += result.seconds
            changed += result.changed
            failures += len(result.broken)
            for law in result.broken:
                print(f"{mode}: {package.name}: {law}", flush=True)
        if mode == "styles":
            print(f"{mode}: {len(packages)} packages compared", flush=True)
            continue
        packages_changed = f"{changed} files of {len(packages)} packages changed"
        print(f"{mode}: {packages_changed} in {seconds:.1f} s", flush=True)
    print("All laws hold." if not failures else f"{failures} times a law does not hold.")
    return 1 if failures else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (Failure, OSError) as error:
        sys.exit(f"fix_laws.py: {error}")
