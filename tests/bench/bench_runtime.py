#!/usr/bin/env python3
"""Measures the runtime against asyncio, uvloop, Trio and AnyIO, as ratios to asyncio.

Each measurement is a process of its own that runs one row once (`programs/`). The peers take turns
in every round, so that a busy machine hits all of them; a ratio is formed inside a round, against
asyncio's measurement of the same round, and the median over the rounds is shown. Only ratios mean
something; ignore differences under 6 %.

Peers that cannot be imported are left out, with a line on standard error that says so.

Nothing of this is a test: the numbers of a busy machine fail nobody.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import statistics
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent.parent
PROGRAMS = Path(__file__).resolve().parent / "programs"
DOCUMENT = ROOT / "docs/benchmarks.md"
BEGIN, END = "<!-- bench_runtime: begin -->", "<!-- bench_runtime: end -->"
BASE = "asyncio"
OURS = "asyncbis"
TIMEOUT = 120.0


class Failure(Exception):
    """Something the person who runs this can read and act on."""


class Row(NamedTuple):
    """One line of the tables: how often the work is done at `--scale 1`, and what is aimed at.

    `target` is the highest CPU ratio to asyncio that asyncbis may have on its own loop.
    """

    title: str
    times: int
    target: float


ROWS = {
    "spawn": Row("spawn and join 100k tasks in a group", 100_000, 0.5),
    "create_task": Row("create_task() and await 100k tasks", 100_000, 0.5),
    "sleep_one": Row("one task, 1M sleep(0)", 1_000_000, 0.5),
    "sleep_many": Row("1000 tasks x 1000 sleep(0)", 1_000_000, 0.5),
    "futures": Row("ping-pong on futures, 200k", 200_000, 0.5),
    "events": Row("ping-pong on Event, 200k", 200_000, 1.0),
    "queues": Row("ping-pong on Queue, 200k", 200_000, 1.0),
    "cancel": Row("cancel 50k sleeping tasks", 50_000, 0.5),
    "timeouts": Row("enter and leave a timeout, 500k", 500_000, 0.5),
    "timers": Row("call_later and cancel, 500k", 500_000, 0.5),
    "tcp_streams": Row("TCP echo with streams, 50k messages", 50_000, 1.15),
    "tcp_protocol": Row("TCP echo with Protocol, 100k messages", 100_000, 1.15),
    "memory": Row("memory per parked task", 100_000, 1.0),
}


class Peer(NamedTuple):
    """A program of `programs/`, its first arguments, and the modules that it needs."""

    program: str
    arguments: tuple[str, ...]
    modules: tuple[str, ...]


PEERS = {
    "asyncio": Peer("on_asyncio.py", ("asyncio", "-"), ()),
    "uvloop": Peer("on_asyncio.py", ("asyncio", "uvloop"), ("uvloop",)),
    "trio": Peer("on_trio.py", (), ("trio",)),
    "anyio": Peer("on_anyio.py", (), ("anyio",)),
    "asyncbis": Peer("on_asyncio.py", ("asyncbis", "-"), ("asyncbis",)),
    "asyncbis on uvloop": Peer("on_asyncio.py", ("asyncbis", "uvloop"), ("asyncbis", "uvloop")),
}
# Rows that need asyncio's interface: futures, callbacks, protocols.
ASYNCIO_ONLY = {"create_task", "futures", "timers", "tcp_protocol"}

# One measurement: {"wall": seconds, "cpu": seconds} or {"bytes": per task}.
Measured = dict[str, float]
# All of a run: row -> peer -> one measurement for each round, None where it failed.
Results = dict[str, dict[str, list[Measured | None]]]


def has_row(peer: str, row: str) -> bool:
    return PEERS[peer].program == "on_asyncio.py" or row not in ASYNCIO_ONLY


def importable(python: str, modules: tuple[str, ...]) -> bool:
    code = "; ".join(f"import {module}" for module in modules)
    return subprocess.run([python, "-c", code], capture_output=True).returncode == 0


def present(python: str, names: list[str]) -> list[str]:
    """The peers that this interpreter can import, asyncio first."""
    wanted = [BASE, *(name for name in names if name != BASE)]
    found = []
    for name in wanted:
        if importable(python, PEERS[name].modules):
            found.append(name)
        else:
            print(f"left out: {name} cannot be imported by {python}", file=sys.stderr)
    return found


def measure(python: str, peer: str, row: str, count: int) -> Measured | None:
    """One process; None where it fails, with the end of its words on standard error."""
    program, arguments, _ = PEERS[peer]
    command = [python, str(PROGRAMS / program), *arguments, row, str(count)]
    # Debug mode measures something else.
    dropped = {"PYTHONASYNCIODEBUG", "PYTHONDEVMODE"}
    environment = {key: value for key, value in os.environ.items() if key not in dropped}
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=TIMEOUT, env=environment
        )
        if done.returncode == 0:
            measured: Measured = json.loads(done.stdout.splitlines()[-1])
            return measured
        reason = done.stderr.strip()[-1500:]
    except subprocess.TimeoutExpired:
        reason = f"no end after {TIMEOUT:.0f} seconds"
    print(f"{peer}, {row}: fails\n{reason}", file=sys.stderr)
    return None


def measure_all(options: argparse.Namespace, peers: list[str]) -> Results:
    """All peers in turn for each row, in every round; a row that failed is not tried again."""
    results: Results = {row: {} for row in options.rows}
    for turn in range(options.rounds):
        for row in options.rows:
            count = max(1000, int(ROWS[row].times * options.scale))
            for peer in peers:
                values = results[row].setdefault(peer, [])
                if has_row(peer, row) and None not in values:
                    values.append(measure(options.python, peer, row, count))
        print(f"round {turn + 1} of {options.rounds} done", file=sys.stderr)
    return results


def ratio(results: Results, row: str, peer: str, unit: str) -> float | None:
    """The median over the rounds of the peer's measurement over that of asyncio."""
    pairs = zip(results[row][peer], results[row][BASE])
    ratios = [one[unit] / base[unit] for one, base in pairs if one and base]
    return statistics.median(ratios) if ratios else None


def cell(results: Results, row: str, peer: str, unit: str) -> str:
    if not has_row(peer, row):
        return "-"
    value = ratio(results, row, peer, unit)
    return "fails" if value is None else f"{value:.2f}"


def base_cell(results: Results, row: str, unit: str) -> str:
    values = [one[unit] for one in results[row][BASE] if one]
    if not values:
        return "fails"
    value = statistics.median(values)
    return f"{value:,.0f} bytes" if unit == "bytes" else f"{value:.2f} s"


def table(results: Results, peers: list[str], unit: str) -> list[str]:
    """The ratios of one unit as a Markdown table; memory stands below the CPU times."""
    others = [peer for peer in peers if peer != BASE]
    targets = unit == "cpu" and OURS in peers
    head = [{"cpu": "CPU", "wall": "wall"}[unit], BASE, *others]
    if targets:
        head.append("target")
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for row in results:
        shown = "bytes" if row == "memory" else unit
        if row == "memory" and unit == "wall":
            continue
        cells = [ROWS[row].title, base_cell(results, row, shown)]
        cells += [cell(results, row, peer, shown) for peer in others]
        if targets:
            cells.append(verdict(results, row, shown))
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def verdict(results: Results, row: str, unit: str) -> str:
    value, target = ratio(results, row, OURS, unit), ROWS[row].target
    # A ratio is shown with two digits, and judged as it is shown.
    reached = value is not None and round(value, 2) <= target
    return f"≤ {target:g}: {'reached' if reached else 'missed'}"


def versions(python: str, peers: list[str]) -> str:
    modules = sorted({module for peer in peers for module in PEERS[peer].modules})
    code = """
import platform, sys
from importlib.metadata import PackageNotFoundError, version

def named(module):
    try:
        return f"{module} {version(module)}"
    except PackageNotFoundError:
        return f"{module} from its folder"

python = f"{platform.python_implementation()} {platform.python_version()}"
print(", ".join([python, *map(named, sys.argv[1:])]))
"""
    done = subprocess.run([python, "-c", code, *modules], capture_output=True, text=True)
    return done.stdout.strip() or "versions unknown"


def report(options: argparse.Namespace, peers: list[str], results: Results) -> str:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    lines = [
        f"{datetime.date.today()}, {platform.system()} {platform.machine()}, {cores} cores, "
        f"load {os.getloadavg()[0]:.1f} at the end; {versions(options.python, peers)}.",
        f"Medians of {options.rounds} rounds at scale {options.scale:g}; "
        f"ratios to {BASE}, less is better.",
        "",
        *table(results, peers, "cpu"),
    ]
    if any(row != "memory" for row in results):
        lines += ["", *table(results, peers, "wall")]
    return "\n".join(lines)


def write(result: str) -> None:
    """Replaces the marked block of the document."""
    text = DOCUMENT.read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise Failure(f"{DOCUMENT} has no block between {BEGIN} and {END}")
    DOCUMENT.write_text(f"{before}{BEGIN}\n{result}\n{END}{after}", encoding="utf-8")


def names(known: dict[str, Row] | dict[str, Peer], text: str) -> list[str]:
    chosen = [name.strip() for name in text.split(",")]
    unknown = [name for name in chosen if name not in known]
    if unknown:
        raise Failure(f"unknown: {', '.join(unknown)}; there are {', '.join(known)}")
    return chosen


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", default=",".join(ROWS), help=f"of {', '.join(ROWS)}")
    parser.add_argument("--peers", default=",".join(PEERS), help=f"of {', '.join(PEERS)}")
    parser.add_argument("--rounds", type=int, default=5, help="measurements of each (default: 5)")
    parser.add_argument(
        "--scale", type=float, default=0.2, help="part of the work of each row (default: 0.2)"
    )
    parser.add_argument("--python", default=sys.executable, help="the interpreter to measure")
    parser.add_argument("--write", action="store_true", help="update docs/benchmarks.md")
    options = parser.parse_args()
    options.rows = names(ROWS, options.rows)
    peers = present(options.python, names(PEERS, options.peers))
    result = report(options, peers, measure_all(options, peers))
    print(result)
    if options.write:
        write(result)


if __name__ == "__main__":
    try:
        main()
    except Failure as failure:
        sys.exit(f"error: {failure}")
