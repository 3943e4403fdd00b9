#!/usr/bin/env python3
"""Compares the findings on the corpus with the judged ones.

Without options: the precision of each rule and severity, and what became of
every judged finding. Ends with 1 if a rule is below its bar or if a true
finding is gone. The other modes help to judge; see README.md beside this file.

Not here: running the linter and reading its output (`findings.py`), and the
references (`references.py`).
"""

from __future__ import annotations

import argparse
import csv
import random
import sys
from collections import Counter, defaultdict
from pathlib import Path
from typing import NamedTuple

from findings import ROOT, SEVERITIES, Failure, Finding, Place
from findings import check_stable, parse, rank, run_linter, source_of
from references import report_references

HERE = Path(__file__).resolve().parent
COLUMNS = ["package", "version", "path", "line", "code", "severity", "verdict", "reason"]

# Of ten judged findings so many have to be true.
BARS = {"error": 9, "warning": 8}
# So many findings are judged of each rule and severity, or all where there are fewer.
ENOUGH = 10


class Judgement(NamedTuple):
    """One line of judged.csv."""

    place: Place
    severity: str
    true: bool
    reason: str


class Tally(NamedTuple):
    """What is known about one rule at one severity."""

    code: str
    severity: str
    findings: int
    packages: int
    true: int
    false: int

    @property
    def judged(self) -> int:
        return self.true + self.false

    @property
    def below_bar(self) -> bool:
        bar = BARS.get(self.severity)
        if bar is None:
            return False
        if self.judged < ENOUGH:
            return self.false > 1
        return 10 * self.true < bar * self.judged

    @property
    def to_judge(self) -> int:
        """How many more have to be read before the number means something."""
        if self.severity not in BARS:
            return 0
        return max(0, min(ENOUGH, self.findings) - self.judged)

    @property
    def status(self) -> str:
        if self.below_bar:
            return "BELOW BAR"
        if self.to_judge:
            return f"judge {self.to_judge} more"
        return "ok" if self.judged else "not judged"


def read_judged(path: Path) -> list[Judgement]:
    """Reads and checks judged.csv; every mistake names its line."""
    judged: dict[Place, Judgement] = {}
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.reader(file)
        if next(reader, None) != COLUMNS:
            raise Failure(f"{path}:1: the columns have to be {','.join(COLUMNS)}")
        for row in reader:
            where = f"{path}:{reader.line_num}"
            if len(row) != len(COLUMNS):
                raise Failure(f"{where}: {len(row)} columns instead of {len(COLUMNS)}")
            package, version, inside, line, code, severity, verdict, reason = row
            if not line.isdigit() or severity not in SEVERITIES:
                raise Failure(f"{where}: `{line}` is no line or `{severity}` no severity")
            if verdict not in ("true", "false") or not reason.strip():
                raise Failure(f"{where}: a verdict is `true` or `false` and has a reason")
            place = Place(package, version, inside, int(line), code)
            if place in judged:
                raise Failure(f"{where}: judged twice")
            judged[place] = Judgement(place, severity, verdict == "true", reason)
    return list(judged.values())


def tally(findings: list[Finding], judged: list[Judgement]) -> list[Tally]:
    """Counts per rule and severity; a judgement counts at the severity its finding has now."""
    verdicts = {judgement.place: judgement.true for judgement in judged}
    groups: defaultdict[tuple[str, str], list[Finding]] = defaultdict(list)
    for finding in findings:
        groups[finding.rule_and_severity].append(finding)
    tallies = []
    for code, severity in sorted(groups, key=lambda key: (key[0], rank(key[1]))):
        group = groups[code, severity]
        known = Counter(verdicts.get(finding.place) for finding in group)
        packages = {finding.place.package for finding in group}
        tallies.append(Tally(code, severity, len(group), len(packages), known[True], known[False]))
    return tallies


class Changes(NamedTuple):
    """What became of the judged findings."""

    lost: list[str]
    mended: list[str]
    changed: list[str]
    elsewhere: list[str]


def compare(findings: list[Finding], judged: list[Judgement], corpus: Path) -> Changes:
    """Finds judged findings that are gone or have another code or severity."""
    by_place = {finding.place: finding for finding in findings}
    codes: defaultdict[Place, set[str]] = defaultdict(set)
    for finding in findings:
        codes[finding.place._replace(code="")].add(finding.place.code)
    changes = Changes([], [], [], [])
    for judgement in sorted(judged):
        place = judgement.place
        shown = show(place)
        others = codes[place._replace(code="")]
        if not (corpus / f"{place.package}-{place.version}").is_dir():
            changes.elsewhere.append(shown)
        elif place in by_place:
            severity = by_place[place].severity
            if severity != judgement.severity:
                changes.changed.append(f"{shown}: judged as {judgement.severity}, now {severity}")
        elif not judgement.true:
            changes.mended.append(f"{shown}: {judgement.reason}")
        elif others:
            changes.changed.append(f"{shown}: now {', '.join(sorted(others))}")
        else:
            changes.lost.append(f"{shown}: {judgement.reason}")
    return changes


def show(place: Place) -> str:
    return f"{place.code} {place.package}-{place.version}/{place.path}:{place.line}"


def print_table(header: list[str], rows: list[list[object]]) -> None:
    cells = [header, *[[str(cell) for cell in row] for row in rows]]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    for row in cells:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())


def print_list(title: str, lines: list[str]) -> None:
    if lines:
        print(f"\n{title}")
        for line in lines:
            print(f"  {line}")


def report(findings: list[Finding], judged: list[Judgement], corpus: Path) -> int:
    """Prints the precision and the changes; returns the exit status."""
    tallies = tally(findings, judged)
    rows = []
    for one in tallies:
        share = f"{100 * one.true / one.judged:.0f} %" if one.judged else "-"
        rows.append([one.code, one.severity, one.findings, one.judged, one.true, share, one.status])
    print_table(["code", "severity", "findings", "judged", "true", "precision", "status"], rows)

    changes = compare(findings, judged, corpus)
    print_list("True findings that are gone (regressions):", changes.lost)
    print_list("False findings that are gone (progress; their lines can stay):", changes.mended)
    print_list("Judged findings with another code or severity (judge again):", changes.changed)
    print_list("Judged findings of packages that are not in the corpus:", changes.elsewhere)

    below = [one for one in tallies if one.below_bar]
    open_rules = [one for one in tallies if one.to_judge]
    print(
        f"\n{len(findings)} findings, {len(judged)} judged; "
        f"{len(below)} below the bar, {len(open_rules)} to be judged further, "
        f"{len(changes.lost)} true findings gone"
    )
    return 1 if below or changes.lost else 0


def print_counts(findings: list[Finding]) -> None:
    rows = [[one.code, one.severity, one.findings, one.packages] for one in tally(findings, [])]
    print_table(["code", "severity", "findings", "packages"], rows)


def sample(findings: list[Finding], seed: int, count: int) -> list[Finding]:
    """A random choice that takes one finding of each package before a second of any."""
    # Sorting by a keyed random number keeps most of the sample when findings come or go.
    def key(*parts: object) -> float:
        return random.Random(f"{seed}:{':'.join(map(str, parts))}").random()

    packages: defaultdict[str, list[Finding]] = defaultdict(list)
    for finding in findings:
        packages[finding.place.package].append(finding)
    rounds = []
    for package, group in packages.items():
        group.sort(key=lambda finding: key(*finding.place))
        rounds += [(turn, key(package), finding) for turn, finding in enumerate(group)]
    rounds.sort(key=lambda entry: entry[:2])
    return [finding for _, _, finding in rounds[:count]]


def print_unjudged(
    findings: list[Finding], judged: list[Judgement], options: argparse.Namespace
) -> None:
    """Prints findings to be judged, with source and the beginning of their line in the CSV."""
    known = {judgement.place for judgement in judged}
    candidates = [
        finding
        for finding in findings
        if finding.place.code == options.unjudged
        and options.severity in (None, finding.severity)
        and finding.place not in known
    ]
    chosen = sample(candidates, options.seed, options.number)
    for finding in chosen:
        place = finding.place
        print(f"=== {','.join(map(str, place))},{finding.severity},")
        print(f"    {finding.message}")
        lines = source_of(place, options.corpus)
        before = options.context * 3 // 5
        first = max(1, place.line - before)
        last = min(len(lines), place.line + options.context - before)
        for number in range(first, last + 1):
            mark = ">" if number == place.line else " "
            print(f"{mark} {number:5} {lines[number - 1]}".rstrip())
        print()
    print(f"{len(chosen)} of {len(candidates)} findings that are not judged")


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--linter", type=Path, default=ROOT / "target/release/asyncbis-lint")
    parser.add_argument("--corpus", type=Path, default=ROOT / "corpus")
    parser.add_argument("--judged", type=Path, default=HERE / "judged.csv")
    parser.add_argument("--findings", type=Path, help="a saved JSON output instead of a run")
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--counts", action="store_true", help="findings per rule and severity")
    mode.add_argument("--references", action="store_true", help="which references are found")
    mode.add_argument("--stable", action="store_true", help="check that threads change nothing")
    mode.add_argument("--unjudged", metavar="CODE", help="print findings to be judged")
    parser.add_argument("--severity", choices=SEVERITIES, help="with --unjudged")
    parser.add_argument("-n", "--number", type=int, default=12, help="with --unjudged: how many")
    parser.add_argument("--seed", type=int, default=1, help="with --unjudged: another sample")
    parser.add_argument("--context", type=int, default=14, help="with --unjudged: source lines")
    return parser.parse_args()


def main() -> int:
    options = parse_arguments()
    options.corpus = options.corpus.resolve()
    if options.stable:
        check_stable(options.linter.resolve(), options.corpus)
        print("the output is the same with one thread and with eight")
        return 0
    if options.findings:
        text = options.findings.read_text()
    else:
        text = run_linter(options.linter.resolve(), options.corpus)
    findings = parse(text, options.corpus)
    if options.counts:
        print_counts(findings)
        return 0
    if options.references:
        return report_references(findings, HERE / "references.csv", options.corpus)
    judged = read_judged(options.judged)
    if options.unjudged:
        print_unjudged(findings, judged, options)
        return 0
    return report(findings, judged, options.corpus)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Failure as failure:
        sys.exit(f"error: {failure}")
    except BrokenPipeError:
        sys.exit(1)
