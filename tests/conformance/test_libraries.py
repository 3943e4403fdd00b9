"""Libraries for asyncio run unmodified on asyncbis, and do what they do on asyncio.

A program of `programs/` ends with comments that say what it prints. It must print that in every way
that `run_program.py` has, and nothing on standard error; one that imports asyncbis is left out on
asyncio. Its `main()` is given what the service that it needs (see `services.py`) is reached by.
"""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from run_program import WAYS

HERE = Path(__file__).resolve().parent
# A program takes a second or two; the rest is for a busy machine.
LIMIT = 60.0
SERVICES = ("redis", "postgresql")


def cases() -> list[tuple[Path, str]]:
    programs = sorted((HERE / "programs").glob("*.py"))
    assert programs
    return [
        (program, way)
        for program in programs
        for way in WAYS
        if way != "asyncio" or not re.search("^import asyncbis", program.read_text(), re.M)
    ]


@pytest.mark.parametrize(
    ("program", "way"), cases(), ids=[f"{program.stem}-{way}" for program, way in cases()]
)
def test_library(program: Path, way: str, request: pytest.FixtureRequest) -> None:
    text = program.read_text(encoding="utf-8")
    expected = re.findall("^# prints: (.*)$", text, re.M)
    assert expected, "the program does not say what it prints"
    needed = [name for name in SERVICES if f"# needs: {name}\n" in text]
    arguments = [str(request.getfixturevalue(name)) for name in needed]
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", HERE / "run_program.py", way, program, *arguments],
        capture_output=True,
        text=True,
        timeout=LIMIT,
    )
    # What unpatched code is told about names that asyncio itself has deprecated is no concern here.
    assert (done.stdout.splitlines(), done.stderr, done.returncode) == (expected, "", 0)
