#!/usr/bin/env python3
"""Migrates real packages to asyncbis and runs their own tests, before and after.

For each package of `packages.toml`: the table in docs/migration.md, and an error for every
difference that `expected.toml` does not explain.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import packages
import runs
from environments import Unusable, interpreter
from packages import Failure, Package


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="packages; default: all")
    parser.add_argument("--python", default=sys.executable, help="the interpreter of the environments")
    parser.add_argument("--linter", type=Path, default=packages.ROOT / "target/release/asyncbis-lint")
    parser.add_argument("--way", action="append", choices=list(runs.LOOPS), help="default: all of them")
    parser.add_argument("--lock", action="store_true", help="only pin the requirements")
    return parser.parse_args()


def main() -> int:
    options = arguments()
    python = interpreter(options.python)
    chosen = [one for one in packages.read() if not options.names or one.name in options.names]
    for package in chosen:
        if options.lock:
            packages.lock(package, python)
            continue
        made = packages.environment(package, python)
        for way in options.way or runs.WAYS:
            result = runs.run(package, way, made, options.linter)
            counts = {}
            for test in result.tests.values():
                counts[test.outcome] = counts.get(test.outcome, 0) + 1
            loops = {}
            for test in result.tests.values():
                loops[",".join(test.loops)] = loops.get(",".join(test.loops), 0) + 1
            bad = [m for m, e in result.modules.items() if e]
            print(package.name, way, counts, loops, "modules", len(result.modules), "bad", bad, result.complaints, result.uncompiled, f"{result.seconds:.0f}s", flush=True)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (Failure, Unusable) as failure:
        sys.exit(f"error: {failure}")
