"""The table from which the linter knows asyncio's names says what this runtime has."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import names

SCRIPT = Path(names.__file__)


def renewed(text: str) -> str:
    """The table as this Python would have it, from a process in which nothing was patched."""
    program = "import json, sys, names; print(json.dumps(names.updated(json.load(sys.stdin))))"
    done = subprocess.run(
        [sys.executable, "-c", program],
        input=json.dumps(text),
        cwd=SCRIPT.parent,
        capture_output=True,
        text=True,
        check=True,
    )
    result = json.loads(done.stdout)
    assert isinstance(result, str)
    return result


def test_the_table_is_true_on_this_python() -> None:
    before = names.TABLE.read_text(encoding="utf-8")
    assert renewed(before) == before, f"renew it with every Python: {SCRIPT.name} --update"


def test_the_table_has_a_column_for_every_supported_python() -> None:
    project = (SCRIPT.parents[2] / "pyproject.toml").read_text(encoding="utf-8")
    marker = "Programming Language :: Python :: 3."
    supported = ["3." + line.split(marker)[1].split('"')[0] for line in project.splitlines() if marker in line]
    table = names.read(names.TABLE.read_text(encoding="utf-8"))
    assert {tuple(words) for words in table.values()} == {tuple(supported)}


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("Task", "changed"),
        ("tasks.Task", "changed"),
        ("Event", "same"),
        ("subprocess.PIPE", "same"),
        ("get_event_loop", "raises"),
        ("ProactorEventLoop", "absent"),
        ("CancelScope", "new"),
    ],
)
def test_a_wrong_word_is_noticed(name: str, word: str) -> None:
    table = names.read(names.TABLE.read_text(encoding="utf-8"))
    assert table[name][names.own_version()] == word
    table[name][names.own_version()] = "-"
    assert names.read(renewed(names.write(table)))[name][names.own_version()] == word


def test_a_name_that_is_missing_is_noticed() -> None:
    table = names.read(names.TABLE.read_text(encoding="utf-8"))
    del table["sleep"]
    assert names.read(renewed(names.write(table)))["sleep"][names.own_version()] == "changed"
