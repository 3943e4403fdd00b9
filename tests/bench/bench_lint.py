#!/usr/bin/env python3
"""Measures the linter against ruff: time, CPU and memory on the corpus, and the start-up.

Both check the same files with the same number of threads, without a cache of
their own, with the files in the system's page cache. Repetitions alternate, so that
a busy machine hits both; medians are compared, and only ratios mean something.

Nothing of this is a test: the numbers of a busy machine fail nobody.
"""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent.parent
VENV = ROOT / ".venv"
DOCUMENT = ROOT / "docs/benchmarks.md"
BEGIN, END = "<!-- bench_lint: begin -->", "<!-- bench_lint: end -->"
RUFF_VERSION = "0.17.5"
SMALL_FILE = "examples/heartbeat_worker.py"
SUFFIXES = (".py", ".pyi", ".ipynb")

# What has to be reached, as ratios to ruff and in milliseconds.
MAX_WALL, MAX_MEMORY, MAX_START_MS = 0.45, 1.0, 10.0


class Failure(Exception):
    """Something the person who runs this can read and act on."""


class Run(NamedTuple):
    """One process: seconds by the clock, seconds of all processors, and bytes at most."""

    wall: float
    cpu: float
    memory: int


class Tool(NamedTuple):
    name: str
    command: list[str]

    def run(self, path: str) -> Run:
        # The highest memory includes that of this script's fork before it starts the tool,
        # which is far below what either tool needs on the corpus.
        started = time.perf_counter()
        process = subprocess.Popen(
            [*self.command, path],
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            raise Failure(f"{self.shown(path)} ended with {process.returncode}")
        return Run(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024)

    def shown(self, path: str) -> str:
        executable, *rest = self.command
        return " ".join([Path(executable).name, *rest, path])

    def version(self) -> str:
        out = subprocess.run([self.command[0], "--version"], capture_output=True, text=True)
        return out.stdout.strip()


def our_tool(linter: Path) -> Tool:
    if not linter.is_file():
        raise Failure(f"{linter} is missing: run `make build`")
    options = ["check", "--isolated", "--no-respect-gitignore", "--min-severity", "info"]
    return Tool(
        "asyncbis-lint",
        [str(linter), *options, "--output-format", "concise", "--exit-zero"],
    )


def our_fixer(linter: Path) -> Tool:
    """A whole migration, printed and not written."""
    options = ["fix", "--isolated", "--no-respect-gitignore", "--rewrite-imports", "--unsafe-fixes"]
    return Tool("asyncbis-lint", [str(linter), *options, "--diff", "--exit-zero"])


def fixer_of(ruff: Tool) -> Tool:
    """What projects use ruff's fixes for: sorted imports and newer Python, printed and not written."""
    options = ["check", "--isolated", "--no-respect-gitignore", "--no-cache", "--select", "I,UP"]
    return Tool("ruff", [ruff.command[0], *options, "--unsafe-fixes", "--diff", "--exit-zero"])


def ruff() -> Tool:
    """The pinned ruff, installed into a virtual environment of the repository."""
    executable = VENV / "bin/ruff"
    if not executable.exists() or RUFF_VERSION not in Tool("ruff", [str(executable)]).version():
        subprocess.run([sys.executable, "-m", "venv", str(VENV)], check=True)
        install = [str(VENV / "bin/python"), "-m", "pip", "install", "--quiet"]
        subprocess.run([*install, f"ruff=={RUFF_VERSION}"], check=True)
    options = ["check", "--isolated", "--no-respect-gitignore", "--no-cache"]
    options += ["--select", "ASYNC,RUF006", "--output-format", "concise", "--exit-zero"]
    return Tool("ruff", [str(executable), *options])


def count_files(corpus: Path) -> tuple[int, int]:
    """How many Python files there are, and their bytes."""
    count = size = 0
    for folder, _, names in os.walk(corpus):
        for name in names:
            if name.endswith(SUFFIXES):
                count += 1
                size += os.stat(os.path.join(folder, name)).st_size
    return count, size


def check_same_files(peer: Tool, corpus: Path, expected: int) -> None:
    """Default excludes of ruff must not make its work smaller."""
    command = [peer.command[0], "check", "--isolated", "--no-respect-gitignore", "--show-files"]
    out = subprocess.run([*command, str(corpus)], capture_output=True, text=True, check=True)
    seen = len(out.stdout.splitlines())
    if seen != expected:
        raise Failure(f"ruff would check {seen} files, but there are {expected} in {corpus}")


def alternate(tools: list[Tool], path: str, times: int) -> list[list[Run]]:
    """Runs the tools in turn after one run of each that is not counted."""
    runs: list[list[Run]] = [[] for _ in tools]
    for turn in range(times + 1):
        for tool, into in zip(tools, runs):
            one = tool.run(path)
            if turn > 0:
                into.append(one)
    return runs


def medians(runs: list[Run]) -> Run:
    return Run(
        statistics.median(run.wall for run in runs),
        statistics.median(run.cpu for run in runs),
        int(statistics.median(run.memory for run in runs)),
    )


def table(
    ours: Run, theirs: Run, our_start: Run, their_start: Run, our_fix: Run, their_fix: Run
) -> list[str]:
    """The results as a Markdown table with the targets."""

    def verdict(reached: bool) -> str:
        return "reached" if reached else "missed"

    wall, cpu = ours.wall / theirs.wall, ours.cpu / theirs.cpu
    memory = ours.memory / theirs.memory
    start, start_ms = our_start.wall / their_start.wall, our_start.wall * 1000
    return [
        "| median | asyncbis-lint | ruff | ratio | target |",
        "|---|---|---|---|---|",
        f"| corpus, wall | {ours.wall:.3f} s | {theirs.wall:.3f} s | {wall:.2f} "
        f"| ≤ {MAX_WALL}: {verdict(wall <= MAX_WALL)} |",
        f"| corpus, CPU | {ours.cpu:.3f} s | {theirs.cpu:.3f} s | {cpu:.2f} | |",
        f"| corpus, peak memory | {ours.memory / 1e6:.0f} MB | {theirs.memory / 1e6:.0f} MB "
        f"| {memory:.2f} | ≤ {MAX_MEMORY:.0f}: {verdict(memory <= MAX_MEMORY)} |",
        f"| one small file, wall | {start_ms:.1f} ms | {their_start.wall * 1000:.1f} ms "
        f"| {start:.2f} | < {MAX_START_MS:.0f} ms: {verdict(start_ms < MAX_START_MS)} |",
        f"| corpus, fixes as a diff, wall | {our_fix.wall:.3f} s | {their_fix.wall:.3f} s "
        f"| {our_fix.wall / their_fix.wall:.2f} | |",
    ]


def measure(options: argparse.Namespace) -> str:
    corpus = options.corpus.resolve()
    if not corpus.is_dir():
        raise Failure(f"{corpus} is missing: run `make corpus`")
    tools = [our_tool(options.linter.resolve()), ruff()]
    files, size = count_files(corpus)
    check_same_files(tools[1], corpus, files)

    shown = os.path.relpath(corpus, ROOT)
    path = shown if not shown.startswith("..") else str(corpus)
    fixers = [our_fixer(options.linter.resolve()), fixer_of(tools[1])]
    ours, theirs = map(medians, alternate(tools, path, options.repeat))
    our_start, their_start = map(medians, alternate(tools, SMALL_FILE, options.start_repeat))
    our_fix, their_fix = map(medians, alternate(fixers, path, options.repeat))

    cores = len(os.sched_getaffinity(0))
    load = os.getloadavg()[0]
    lines = [
        f"{datetime.date.today()}, {platform.system()} {platform.machine()}, {cores} cores, "
        f"load {load:.1f} at the end; {' against '.join(tool.version() for tool in tools)}.",
        f"{files:,} files, {size / 1e6:.1f} MB; medians of {options.repeat} alternating runs "
        f"(one small file: {options.start_repeat}) after one that is not counted.",
        "",
        *table(ours, theirs, our_start, their_start, our_fix, their_fix),
        "",
        "```console",
        *[f"$ {tool.shown('corpus/')}" for tool in [*tools, *fixers]],
        "```",
    ]
    return "\n".join(lines)


def write(result: str) -> None:
    """Replaces the marked block of the document."""
    text = DOCUMENT.read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise Failure(f"{DOCUMENT} has no block between {BEGIN} and {END}")
    DOCUMENT.write_text(f"{before}{BEGIN}\n{result}\n{END}{after}", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--linter", type=Path, default=ROOT / "target/release/asyncbis-lint")
    parser.add_argument("--corpus", type=Path, default=ROOT / "corpus")
    parser.add_argument("--repeat", type=int, default=9, help="runs on the corpus (default: 9)")
    parser.add_argument("--start-repeat", type=int, default=30, help="runs on a small file")
    parser.add_argument("--write", action="store_true", help="update docs/benchmarks.md")
    options = parser.parse_args()
    result = measure(options)
    print(result)
    if options.write:
        write(result)


if __name__ == "__main__":
    try:
        main()
    except Failure as failure:
        sys.exit(f"error: {failure}")
    except subprocess.CalledProcessError as error:
        sys.exit(f"error: {' '.join(error.cmd)} ended with {error.returncode}")
