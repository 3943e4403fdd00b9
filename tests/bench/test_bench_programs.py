"""The programs of the runtime's benchmark run and report, so that `bench_runtime.py` can be trusted to start.

Not here: how fast they are; the counts are tiny.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))
from bench_runtime import PEERS, PROGRAMS, ROWS, has_row, importable  # noqa: E402

CASES = [(row, peer) for row in ROWS for peer in PEERS if has_row(peer, row)]


@pytest.mark.parametrize(("row", "peer"), CASES, ids=[f"{row}-{peer}" for row, peer in CASES])
def test_program_reports(row: str, peer: str) -> None:
    program, arguments, modules = PEERS[peer]
    if not importable(sys.executable, modules):
        assert not peer.startswith("asyncbis") or "uvloop" in modules, "asyncbis is not installed"
        pytest.skip(f"{peer} is not installed")
    command = [sys.executable, str(PROGRAMS / program), *arguments, row, "1000"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    report = json.loads(done.stdout)
    assert set(report) == ({"bytes"} if row == "memory" else {"wall", "cpu"})
