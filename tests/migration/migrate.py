#!/usr/bin/env python3
"""Migrates real packages to asyncbis and runs their own tests, before and after.

For each package of `packages.toml`: what its tests say on asyncio, on asyncbis, and after the rewrite.
Writes the table into docs/migration.md, and fails on every difference that `expected.toml` does not
explain, and on every explanation that nothing needs.
"""

from __future__ import annotations

import argparse
import json
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import compare
import packages
import report
import runs
from compare import Explanation, Judgement
from environments import Interpreter, Unusable, interpreter
from packages import HERE, ROOT, WORK, Failure, Package
from runs import Run

PAGE = ROOT / "docs" / "migration.md"


def arguments() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="packages; default: all, and the page is written")
    parser.add_argument("--python", default=sys.executable, help="the interpreter of the environments")
    parser.add_argument("--linter", type=Path, default=ROOT / "target/release/asyncbis-lint")
    parser.add_argument("--way", action="append", choices=list(runs.LOOPS), help="default: the table's")
    parser.add_argument("--judge", action="store_true", help="only judge what was found before")
    parser.add_argument("--lock", action="store_true", help="only pin the requirements")
    return parser.parse_args()


def main() -> int:
    """Do what the command line says."""
    options = arguments()
    python = interpreter(options.python)
    everything = packages.read()
    if unknown := set(options.names) - {package.name for package in everything}:
        raise Failure(f"not in packages.toml: {', '.join(sorted(unknown))}")
    chosen = [one for one in everything if not options.names or one.name in options.names]
    if options.lock:
        for package in chosen:
            packages.lock(package, python)
        return 0
    ways = tuple(options.way or runs.WAYS)
    if not options.judge:
        for package in chosen:
            migrate(package, python, ways, options.linter.resolve())
    found = {package.name: results(package) for package in chosen}
    explanations = [
        one
        for one in compare.read_explanations((HERE / "expected.toml").read_text(encoding="utf-8"))
        if one.package in found
    ]
    differences = [one for name, of in found.items() for one in compare.differences(name, of)]
    judgement = compare.judge(differences, explanations, runs.WAYS)
    wrong = complaints(judgement) + unfounded(judgement, chosen, options.linter.resolve())
    complete = all(set(of) == set(runs.WAYS) for of in found.values())
    if complete and not options.names and not wrong:
        text = PAGE.read_text(encoding="utf-8")
        PAGE.write_text(report.page(text, str(python), chosen, found, judgement), encoding="utf-8")
    if complete:
        print(report.table(chosen, found))
    for line in wrong:
        print(line, file=sys.stderr)
    return 1 if wrong else 0


def migrate(package: Package, python: Interpreter, ways: Sequence[str], linter: Path) -> None:
    """Run a package in several ways, and say how each went."""
    made = packages.environment(package, python)
    for way in ways:
        result = runs.run(package, way, made, linter)
        failed = sum(test.outcome == "failed" for test in result.tests.values())
        print(
            f"{time.strftime('%H:%M:%S')} {package.name} {way}: {report.passed(result)} passed, "
            f"{failed} failed, {result.edits.lines} lines changed, {result.seconds:.0f} s",
            flush=True,
        )


def results(package: Package) -> dict[str, Run]:
    """What was found out about a package so far."""
    found = {way: package.folder / f"{way}.json" for way in runs.WAYS}
    return {way: Run.load(path) for way, path in found.items() if path.exists()}


def complaints(judgement: Judgement) -> list[str]:
    """A line for everything that nobody has explained, or that needs no explanation any more."""
    lines = [
        f"unexplained: {one.package} ({one.way}): {one.what}: {one.text}" for one in judgement.unexplained
    ]
    return lines + [
        f"explains nothing ({'/'.join(one.ways)}): {one.package}: {', '.join(one.what)}"
        for one in judgement.stale
    ]


def unfounded(judgement: Judgement, chosen: Sequence[Package], linter: Path) -> list[str]:
    """A line for every explanation whose rule does not find anything in the file that it names."""
    lines = []
    for package in chosen:
        named = [one for one, _ in judgement.explained if one.package == package.name and one.rule]
        if named:
            findings = checked(package, named, linter)
            lines += [
                f"{one.package}: {one.rule} finds nothing in {one.at}"
                for one in named
                if (one.rule, one.at) not in findings
            ]
    return lines


def checked(package: Package, named: Sequence[Explanation], linter: Path) -> set[tuple[str, str]]:
    """Which rules find something in which files of the package as it is."""
    copy = package.folder / "before"
    command: list[str | Path] = [linter, "check", "--isolated", "--select", "ALL", "--no-noqa"]
    command += ["--min-severity", "info", "--output-format", "json", *sorted({one.at for one in named})]
    done = subprocess.run(command, cwd=copy, capture_output=True, text=True)
    if done.returncode not in (0, 1):
        raise Failure(f"{package.name}: {done.stderr.strip()}")
    findings: list[Mapping[str, str]] = json.loads(done.stdout)
    return {
        (one["code"], str(Path(one["filename"]).resolve().relative_to(copy.resolve()))) for one in findings
    }


if __name__ == "__main__":
    # So that what was started is ended, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))
    try:
        sys.exit(main())
    except (Failure, Unusable, ValueError) as failure:
        sys.exit(f"error: {failure}")
    except KeyboardInterrupt:
        sys.exit("interrupted")
