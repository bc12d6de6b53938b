# SPDX-License-Identifier: GPL-2.0-or-later
"""JUnit XML, as a CI reads it."""

from pathlib import Path
from xml.etree import ElementTree as ET

from tests.conftest import MakeSuite, RunTests

WHOLE = "comes to its end, and leaves nothing behind"


def read(path: Path) -> dict[tuple[str, str], ET.Element]:
    """Return the test cases by class name and name."""
    cases = list(ET.parse(path).getroot().iter("testcase"))
    found = {(case.attrib["classname"], case.attrib["name"]): case for case in cases}
    assert len(found) == len(cases)
    return found


def test_sections_are_test_cases(
    run_tests: RunTests, mixed: MakeSuite, tmp_path: Path, any_python: str
) -> None:
    report = tmp_path / "new" / "report.xml"
    done = run_tests("--suite", str(mixed.root), "--junit-xml", str(report), python=any_python)
    assert done.returncode == 1
    assert f"written: {report}" in done.stdout
    cases = read(report)
    assert {name: [child.tag for child in case] for name, case in cases.items()} == {
        ("suite.1", "One"): [],
        ("suite.1", WHOLE): [],
        ("suite.2", "A # hash \\ [::]"): [],
        ("suite.2", "Two"): ["failure"],
        ("suite.2", "Three"): ["failure"],
        ("suite.2", WHOLE): [],
        ("suite.3", "Only"): [],
        ("suite.3", WHOLE): ["failure"],
        ("suite.4", WHOLE): ["skipped"],
        ("suite.expected", "9.out"): ["failure"],
    }
    two = cases["suite.2", "Two"].find("failure")
    assert two is not None
    golden = mixed.root / "expected" / "2.out"
    assert two.attrib["message"] == f"{golden}:3: the output differs from the golden"
    assert "\n-     3  ]]> 100%, a: c\n" in str(two.text)
    assert r"</script><b>\x1b[31m\x00\xff" in str(two.text)
    three = cases["suite.3", WHOLE].find("failure")
    assert three is not None
    assert three.attrib["message"] == "exit status 3: the case did not come to its end"
    assert "last words" in str(three.text)
    assert "output kept in " in str(three.text)
    skipped = cases["suite.4", WHOLE].find("skipped")
    assert skipped is not None
    assert skipped.attrib["message"] == "no lock here"


def test_the_totals_are_those_of_the_test_cases(
    run_tests: RunTests, mixed: MakeSuite, tmp_path: Path, any_python: str
) -> None:
    report = tmp_path / "report.xml"
    run_tests("--suite", str(mixed.root), "--junit-xml", str(report), python=any_python)
    (suite,) = ET.parse(report).getroot().iter("testsuite")
    assert {name: suite.attrib[name] for name in ("tests", "failures", "errors", "skipped")} == {
        "tests": "10",
        "failures": "4",
        "errors": "0",
        "skipped": "1",
    }


def test_the_time_of_a_case_is_that_of_its_test_cases_together(
    run_tests: RunTests, suite: MakeSuite, tmp_path: Path
) -> None:
    suite.case("1", "echo == One ==; sleep 0.2; echo == Two ==", golden="== One ==\n== Two ==\n")
    report = tmp_path / "report.xml"
    run_tests("--suite", str(suite.root), "--junit-xml", str(report))
    times = [float(case.attrib["time"]) for case in read(report).values()]
    assert sum(times) >= 0.2


def test_options_of_pytest_for_it_still_work(
    run_tests: RunTests, mixed: MakeSuite, tmp_path: Path
) -> None:
    report = tmp_path / "report.xml"
    options = (
        "--junit-prefix=nightly",
        "-o",
        "junit_suite_name=locks",
        "-o",
        "junit_family=xunit1",
    )
    run_tests("--suite", str(mixed.root), f"--junit-xml={report}", "--", *options)
    assert ("nightly.suite.1", "One") in read(report)
    assert ET.parse(report).getroot()[0].attrib["name"] == "locks"
