"""Tests of the precision report on made-up findings."""

from __future__ import annotations

import io
import json
import sys
import tempfile
import unittest
from contextlib import redirect_stdout
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import fetch
import precision
from findings import Failure, Finding, Place, parse
from references import NEAR, Reference, state_of


def finding(line: int, code: str = "BIS101", severity: str = "error", package: str = "pkg") -> Finding:
    return Finding(Place(package, "1.0", "pkg/a.py", line, code), severity, "message", "")


def judgement(line: int, verdict: bool, severity: str = "error") -> precision.Judgement:
    return precision.Judgement(finding(line).place, severity, verdict, "a reason")


class PrecisionTest(unittest.TestCase):
    def setUp(self) -> None:
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.corpus = Path(temporary.name)
        (self.corpus / "pkg-1.0/pkg").mkdir(parents=True)

    def report(self, findings: list[Finding], judged: list[precision.Judgement]) -> tuple[int, str]:
        with redirect_stdout(io.StringIO()) as out:
            status = precision.report(findings, judged, self.corpus)
        return status, out.getvalue()

    def test_nine_of_ten_is_enough_for_errors(self) -> None:
        findings = [finding(line) for line in range(1, 11)]
        judged = [judgement(line, line != 4) for line in range(1, 11)]
        self.assertEqual(self.report(findings, judged)[0], 0)

    def test_eight_of_ten_is_below_the_bar_of_errors(self) -> None:
        findings = [finding(line) for line in range(1, 11)]
        judged = [judgement(line, line > 2) for line in range(1, 11)]
        status, out = self.report(findings, judged)
        self.assertEqual(status, 1)
        self.assertIn("BELOW BAR", out)

    def test_eight_of_ten_is_enough_for_warnings(self) -> None:
        findings = [finding(line, severity="warning") for line in range(1, 11)]
        judged = [judgement(line, line > 2, "warning") for line in range(1, 11)]
        self.assertEqual(self.report(findings, judged)[0], 0)

    def test_one_false_finding_is_allowed_among_few(self) -> None:
        findings = [finding(1), finding(2), finding(3)]
        one = [judgement(1, False), judgement(2, True), judgement(3, True)]
        two = [judgement(1, False), judgement(2, False), judgement(3, True)]
        self.assertEqual(self.report(findings, one)[0], 0)
        self.assertEqual(self.report(findings, two)[0], 1)

    def test_info_has_no_bar(self) -> None:
        findings = [finding(line, severity="info") for line in range(1, 4)]
        judged = [judgement(line, False, "info") for line in range(1, 4)]
        self.assertEqual(self.report(findings, judged)[0], 0)

    def test_a_lost_true_finding_is_a_regression(self) -> None:
        status, out = self.report([], [judgement(1, True)])
        self.assertEqual(status, 1)
        self.assertIn("regressions", out)

    def test_a_lost_false_finding_is_progress(self) -> None:
        status, out = self.report([], [judgement(1, False)])
        self.assertEqual(status, 0)
        self.assertIn("progress", out)

    def test_another_code_or_severity_is_to_be_judged_again(self) -> None:
        findings = [finding(1, code="BIS102"), finding(2, severity="warning")]
        status, out = self.report(findings, [judgement(1, True), judgement(2, True)])
        self.assertEqual(status, 0)
        self.assertIn("pkg/a.py:1: now BIS102", out)
        self.assertIn("pkg/a.py:2: judged as error, now warning", out)

    def test_a_package_that_is_not_there_loses_nothing(self) -> None:
        gone = judgement(1, True)
        gone = gone._replace(place=gone.place._replace(version="2.0"))
        status, out = self.report([], [gone])
        self.assertEqual(status, 0)
        self.assertIn("not in the corpus", out)

    def test_a_sample_takes_every_package_first_and_is_stable(self) -> None:
        findings = [finding(line) for line in range(1, 50)] + [finding(1, package="other")]
        chosen = precision.sample(findings, seed=1, count=4)
        self.assertIn("other", {one.place.package for one in chosen[:2]})
        self.assertEqual(chosen, precision.sample(findings[::-1], seed=1, count=4))

    def test_a_reference_may_be_near_or_in_the_same_function(self) -> None:
        source = "async def f():\n" + "    await g()\n" * 20 + "async def h():\n    await g()\n"
        (self.corpus / "pkg-1.0/pkg/a.py").write_text(source)
        reference = Reference(finding(3).place, "")
        for line, state in [(3 + NEAR, "found"), (20, "found"), (23, "MISSING")]:
            self.assertEqual(state_of(reference, [finding(line)], self.corpus)[0], state)
        replaced = Reference(finding(3, code="BIS201").place, "")
        self.assertEqual(state_of(replaced, [finding(3, code="BIS204")], self.corpus)[0], "found")

    def test_findings_of_one_line_and_rule_count_once(self) -> None:
        item = {
            "filename": str(self.corpus / "pkg-1.0/pkg/a.py"),
            "code": "BIS101",
            "message": "m",
            "location": {"row": 3, "column": 1},
        }
        text = json.dumps([item | {"severity": "info"}, item | {"severity": "error"}])
        self.assertEqual(parse(text, self.corpus), [finding(3)._replace(message="m")])


class JudgedFileTest(unittest.TestCase):
    def test_the_committed_file_is_well_formed(self) -> None:
        precision.read_judged(precision.HERE / "judged.csv")

    def test_mistakes_name_their_line(self) -> None:
        header = ",".join(precision.COLUMNS)
        for row in ["p,1,a.py,x,BIS101,error,true,r", "p,1,a.py,1,BIS101,error,maybe,r", "p,1"]:
            with tempfile.NamedTemporaryFile("w", suffix=".csv") as file:
                file.write(f"{header}\n{row}\n")
                file.flush()
                with self.assertRaisesRegex(Failure, ":2: "):
                    precision.read_judged(Path(file.name))


class PinsTest(unittest.TestCase):
    def test_every_pin_is_locked(self) -> None:
        pins = {fetch.key_of_pin(pin) for pin in fetch.read_packages()}
        self.assertEqual(pins, set(fetch.read_lock()))
        self.assertGreaterEqual(len(pins), 30)


if __name__ == "__main__":
    unittest.main()
