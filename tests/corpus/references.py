"""The references: places in the corpus that the rules were designed from.

Each has to be found by its rule, or its line in `references.csv` says why it is not.
The lines were noted by hand and by older detectors that looked at the handler,
the await or the cleanup; so a finding a few lines away or elsewhere in the same
function is the same finding.
"""

from __future__ import annotations

import ast
import csv
from collections import Counter, defaultdict
from pathlib import Path
from typing import NamedTuple

from findings import Failure, Finding, Place, source_of

COLUMNS = ["code", "package", "version", "path", "line", "why_not"]
NEAR = 5

# A finding of the rules on the right says what the rule on the left would say, only better:
# it knows the loop, the timeout or the rest of the cleanup.
SUPERSEDED_BY = {
    "BIS101": {"BIS102"},
    "BIS104": {"BIS103"},
    "BIS107": {"BIS102"},
    "BIS201": {"BIS204", "BIS205"},
    "BIS202": {"BIS204", "BIS205"},
    "BIS303": {"BIS301", "BIS304"},
    "BIS304": {"BIS102", "BIS301", "BIS309"},
    "BIS309": {"BIS101", "BIS102"},
}


class Reference(NamedTuple):
    place: Place
    why_not: str


def read_references(path: Path) -> list[Reference]:
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.reader(file)
        if next(reader, None) != COLUMNS:
            raise Failure(f"{path}:1: the columns have to be {','.join(COLUMNS)}")
        references = []
        for row in reader:
            if len(row) != len(COLUMNS) or not row[4].isdigit():
                raise Failure(f"{path}:{reader.line_num}: expected {','.join(COLUMNS)}")
            code, package, version, inside, line, why_not = row
            references.append(Reference(Place(package, version, inside, int(line), code), why_not))
        return references


def function_around(lines: list[str], line: int) -> range:
    """The lines of the innermost function that contains `line`; just the line outside of any."""
    found = range(line, line + 1)
    try:
        tree = ast.parse("\n".join(lines))
    except SyntaxError:
        # The file is written for a newer Python than the one that runs this.
        return found
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            extent = range(node.lineno, node.end_lineno + 1)
            if line in extent and (len(found) == 1 or len(extent) < len(found)):
                found = extent
    return found


def state_of(reference: Reference, candidates: list[Finding], corpus: Path) -> tuple[str, str]:
    """How a reference is found, and where."""
    place = reference.place
    for codes in ({place.code}, SUPERSEDED_BY.get(place.code, set())):
        fitting = [one.place for one in candidates if one.place.code in codes]
        fitting.sort(key=lambda found: abs(found.line - place.line))
        if not fitting:
            continue
        if abs(fitting[0].line - place.line) <= NEAR:
            return "found", f"{fitting[0].code} at line {fitting[0].line}"
        around = function_around(source_of(place, corpus), place.line)
        for found in fitting:
            if found.line in around:
                return "found", f"{found.code} at line {found.line}, same function"
    if reference.why_not:
        return "explained", reference.why_not
    return "MISSING", ""


def report_references(findings: list[Finding], path: Path, corpus: Path) -> int:
    """Prints every reference with its state; returns the exit status."""
    by_file: defaultdict[Place, list[Finding]] = defaultdict(list)
    for finding in findings:
        by_file[finding.place._replace(line=0, code="")].append(finding)
    states: Counter[str] = Counter()
    for reference in sorted(read_references(path), key=lambda one: (one.place.code, one.place)):
        place = reference.place
        if not (corpus / f"{place.package}-{place.version}" / place.path).is_file():
            raise Failure(f"{path}: {place.package}-{place.version}/{place.path} does not exist")
        candidates = by_file[place._replace(line=0, code="")]
        state, detail = state_of(reference, candidates, corpus)
        states[state] += 1
        where = f"{place.code} {place.package}-{place.version}/{place.path}:{place.line}"
        print(f"{state:9} {where}" + (f"  ({detail})" if detail else ""))
    print(f"\n{states['found']} found, {states['explained']} explained, {states['MISSING']} missing")
    return 1 if states["MISSING"] else 0
