"""The findings of the linter on the corpus, as values.

A finding is known by package, path inside the package's folder, line and code.
The version is part of the package's folder, so a line that moved in a newer
version is another finding, never a moved one.

The corpus is only read: its code is neither imported nor run.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent.parent
SEVERITIES = ["error", "warning", "info"]


class Failure(Exception):
    """Something the person who runs this can read and act on."""


class Place(NamedTuple):
    """Where a finding is and what it is: how judgements find it again."""

    package: str
    version: str
    path: str
    line: int
    code: str


class Finding(NamedTuple):
    place: Place
    severity: str
    message: str
    help: str

    @property
    def rule_and_severity(self) -> tuple[str, str]:
        return self.place.code, self.severity


def run_linter(linter: Path, corpus: Path, *more: str) -> str:
    """The linter's JSON for the whole corpus; `more` are further options."""
    if not linter.is_file():
        raise Failure(f"{linter} is missing: run `make build`")
    if not corpus.is_dir():
        raise Failure(f"{corpus} is missing: run `make corpus`")
    command = [str(linter), "check", "--isolated", "--output-format", "json"]
    command += ["--min-severity", "info", *more, str(corpus)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    if done.returncode not in (0, 1):
        raise Failure(f"{' '.join(command)} ended with {done.returncode}: {done.stderr.strip()}")
    return done.stdout


def check_stable(linter: Path, corpus: Path) -> None:
    """Compares the output of one thread with that of many."""
    alone = run_linter(linter, corpus, "--threads", "1")
    for _ in range(2):
        if run_linter(linter, corpus, "--threads", "8") != alone:
            raise Failure("the output depends on the threads")


def parse(text: str, corpus: Path) -> list[Finding]:
    """Reads the JSON; several findings of one rule on one line count once."""
    findings: dict[Place, Finding] = {}
    for item in json.loads(text):
        absolute = os.path.join(ROOT, item["filename"])
        inside = Path(os.path.relpath(absolute, corpus)).as_posix()
        folder, _, path = inside.partition("/")
        package, _, version = folder.rpartition("-")
        if not package or not path:
            raise Failure(f"{item['filename']} is in no package of {corpus}")
        place = Place(package, version, path, item["location"]["row"], item["code"])
        found = Finding(place, item["severity"], item["message"], item.get("help") or "")
        known = findings.get(place)
        if known is None or rank(found.severity) < rank(known.severity):
            findings[place] = found
    return [findings[place] for place in sorted(findings)]


def rank(severity: str) -> int:
    """0 for the gravest."""
    return SEVERITIES.index(severity)


def source_of(place: Place, corpus: Path) -> list[str]:
    """The lines of the file; bytes that are no UTF-8 are replaced, they are only shown."""
    file = corpus / f"{place.package}-{place.version}" / place.path
    return file.read_text(encoding="utf-8", errors="replace").split("\n")
