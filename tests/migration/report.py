"""The table and the list of differences, as Markdown, between the marks in docs/migration.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from compare import Judgement
from packages import Package
from runs import Run

BEGIN = "<!-- written by `make migration`: begin -->"
END = "<!-- written by `make migration`: end -->"
WORDS = {
    "unchanged": "as it is",
    "safe": "rewritten",
    "unsafe": "with unsafe fixes",
}


def table(packages: Sequence[Package], runs: Mapping[str, Mapping[str, Run]]) -> str:
    """One line for each package."""
    lines = [
        "| package | tests | on asyncio | as it is, on asyncbis | rewritten | with unsafe fixes "
        "| lines changed | with unsafe fixes | modules | seconds |",
        "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for package in packages:
        of = runs[package.name]
        before = of["before"]
        cells = [
            f"{package.name} {package.version}",
            str(sum(test.outcome != "skipped" for test in before.tests.values())),
            *(str(passed(run)) for run in (before, of["unchanged"], of["safe"], of["unsafe"])),
            *(f"{run.edits.lines} in {run.edits.files} files" for run in (of["safe"], of["unsafe"])),
            imports(before, of["unsafe"]),
            f"{sum(run.seconds for run in of.values()):.0f}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def passed(run: Run) -> int:
    """How many tests passed."""
    return sum(test.outcome == "passed" for test in run.tests.values())


def imports(before: Run, after: Run) -> str:
    """How many of the modules that could be imported still can."""
    could = [module for module, error in before.modules.items() if error is None]
    can = [module for module in could if after.modules.get(module, "missing") is None]
    return str(len(could)) if len(can) == len(could) else f"{len(can)} of {len(could)}"


def differences(judgement: Judgement) -> str:
    """Every explained difference, by package; one line for each explanation."""
    lines: list[str] = []
    package = ""
    for explanation, members in sorted(judgement.explained, key=lambda group: group[0].package):
        if explanation.package != package:
            package = explanation.package
            lines += [f"**{package}**", ""] if not lines else ["", f"**{package}**", ""]
        names = sorted({member.what for member in members})
        tests = f"`{names[0]}`" + (f" and {len(names) - 1} more" if len(names) > 1 else "")
        ways = ", ".join(WORDS[way] for way in WORDS if way in {member.way for member in members})
        rule = ""
        if explanation.rule:
            code = explanation.rule
            rule = f" [{code}](../rules/{code}.md) finds it in `{explanation.at}`."
        lines.append(f"- {tests} ({ways}): {explanation.reason}{rule}")
    return "\n".join(lines)


def loops(runs: Mapping[str, Mapping[str, Run]]) -> str:
    """How many of the tests of rewritten packages ran on asyncbis's loop."""
    tests = [test for of in runs.values() for way in ("safe", "unsafe") for test in of[way].tests.values()]
    ours = sum(test.loops == ["asyncbis"] for test in tests)
    others = sum(bool(set(test.loops) - {"asyncbis"}) for test in tests)
    return f"{ours} runs of tests on asyncbis's event loop, {others} on another one"


def page(
    text: str,
    python: str,
    packages: Sequence[Package],
    runs: Mapping[str, Mapping[str, Run]],
    judgement: Judgement,
) -> str:
    """The page with its generated part renewed."""
    head, rest = text.split(BEGIN)
    _, tail = rest.split(END)
    parts = [
        BEGIN,
        f"CPython {python}; of the rewritten packages {loops(runs)}.",
        table(packages, runs),
        differences(judgement),
        END,
    ]
    return head + "\n\n".join(parts) + tail
