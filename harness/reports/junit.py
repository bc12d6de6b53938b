# SPDX-License-Identifier: GPL-2.0-or-later
"""A run as JUnit XML, with the sections of cases as its test cases.

Each section is one, and so is the rest of a case: that it came to its end, in time, and left
nothing behind. That one has the case's time, as nobody measures sections; the class name of all
is ``SUITE.CASE``.
"""

from datetime import UTC, datetime
from pathlib import PurePath
from xml.etree import ElementTree as ET

from goldlock.reports.repo_paths import here
from goldlock.result import CaseResult, Report
from goldlock.text import for_xml

WHOLE = "comes to its end, and leaves nothing behind"
"""The name of the test case that stands for what is not in any section."""


def document(report: Report, *, name: str = "goldlock", prefix: str = "") -> str:
    """Return the whole document; *prefix* is put before each class name."""
    run = report.run
    within = f"{prefix}.{run.suite}" if prefix else run.suite
    root = ET.Element("testsuites", name=for_xml(f"{name} tests"))
    suite = ET.SubElement(root, "testsuite", name=for_xml(name))
    if run.rows:
        properties = ET.SubElement(suite, "properties")
        for label, text in run.rows:
            ET.SubElement(properties, "property", name=for_xml(label), value=for_xml(text))
    for case in report.cases:
        _add_case(suite, f"{within}.{case.name}", case)
    for other in report.others:
        path = PurePath(other.path)
        _add(suite, f"{within}.{path.parent.name}", path.name, failure=other.text)
    for attribute, value in {
        "tests": len(suite.findall("testcase")),
        "failures": sum(1 for _ in suite.iter("failure")),
        "errors": 0,
        "skipped": sum(1 for _ in suite.iter("skipped")),
        "time": f"{report.end.seconds:.3f}",
        "timestamp": datetime.fromtimestamp(run.started, UTC).isoformat(),
        "hostname": run.host.partition(",")[0],
    }.items():
        suite.set(attribute, for_xml(str(value)))
    ET.indent(root, "")
    return ET.tostring(root, "unicode", xml_declaration=True) + "\n"


def _add_case(suite: ET.Element, class_name: str, case: CaseResult) -> None:
    for section in case.sections:
        _add(suite, class_name, section.title, failure=_failure(case, section.text))
    for part in case.skipped:
        _add(suite, class_name, part, reason=part)
    whole = _failure(case, "\n".join(case.problems))
    _add(suite, class_name, WHOLE, failure=whole, reason=case.reason, seconds=case.seconds)


def _failure(case: CaseResult, text: str) -> str:
    """Return the text of a failure, with how often it was, and what is left to look at."""
    if not text:
        return ""
    often = f"{case.flaky}: " if case.flaky else ""
    return f"{often}{text}" + (f"\n{case.kept_files}" if case.kept else "")


def _add(  # noqa: PLR0913 - what a test case has
    suite: ET.Element,
    class_name: str,
    name: str,
    *,
    failure: str = "",
    reason: str = "",
    seconds: float = 0.0,
) -> None:
    """Add a test case: one that failed, was skipped for a reason, or passed."""
    named = {"classname": for_xml(class_name), "name": for_xml(name)}
    case = ET.SubElement(suite, "testcase", named, time=f"{seconds:.3f}")
    if failure:
        text = for_xml(here(failure))
        ET.SubElement(case, "failure", message=text.partition("\n")[0]).text = text
    elif reason:
        ET.SubElement(case, "skipped", type="pytest.skip", message=for_xml(reason))
