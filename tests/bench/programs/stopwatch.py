"""What every program of the runtime's benchmark shares: the stopwatch, and the report on standard output.

A program is started as `python on_X.py ... ROW COUNT` in a process of its own, runs one row once
and prints one line of JSON: seconds by the clock, seconds of the processor, and for the row
about memory the bytes per task.

Starting Python, importing and making the loop are outside of the measured time. The cyclic garbage
collector stays on, as in real programs.

Not here: repetition, peers and ratios (`bench_runtime.py`).
"""

from __future__ import annotations

import gc
import json
import os
import resource
import time
from pathlib import Path

STATM = Path("/proc/self/statm")


def resident_bytes() -> int:
    """The memory of this process: now, or where the system does not say, the highest so far."""
    if STATM.exists():
        return int(STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


class Stopwatch:
    """`with Stopwatch(): ...` measures the block, or the time from `start()` to `stop()`; used once."""

    def start(self) -> None:
        gc.collect()
        self._wall = time.perf_counter()
        self._cpu = time.process_time()

    def stop(self) -> None:
        cpu = time.process_time() - self._cpu
        wall = time.perf_counter() - self._wall
        print(json.dumps({"wall": wall, "cpu": cpu}), flush=True)

    def __enter__(self) -> None:
        self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()


class Memory:
    """How much a number of tasks adds to the process between its making and `report()`."""

    def __init__(self) -> None:
        gc.collect()
        self._before = resident_bytes()

    def report(self, tasks: int) -> None:
        gc.collect()
        print(json.dumps({"bytes": (resident_bytes() - self._before) / tasks}), flush=True)
