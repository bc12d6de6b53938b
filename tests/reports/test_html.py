# SPDX-License-Identifier: GPL-2.0-or-later
"""The HTML page: parsed as a browser would, and looked at where there is a browser."""

import os
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest
from goldlock.pytest_plugin.run_info import ci_job_url
from goldlock.reports import chart, diff_table, html
from goldlock.result import CaseResult, Report, Row, RunEnd, RunInfo, SectionResult
from goldlock.text import format_duration

from tests.conftest import MakeSuite, RunTests

VOID = {"meta", "link", "input"}
BROWSER = shutil.which("chromium") or shutil.which("chromium-browser")


class Page(HTMLParser):
    """Holds that elements are closed in order; collects text, attributes and ids."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text = ""
        self.scripts = 0
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self.scripts += tag == "script"
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] not in (["style"], ["script"]):
            self.text += data


@pytest.fixture
def made(run_tests: RunTests, mixed: MakeSuite, tmp_path: Path, any_python: str) -> Path:
    """Return the page of a run of the suite with a case of each kind."""
    path = tmp_path / "report.html"
    run_tests("--suite", str(mixed.root), "--html", str(path), python=any_python)
    return path


def test_all_is_told(made: Path, tmp_path: Path) -> None:
    text = Page(made.read_text()).text
    assert "2 of 4 cases failed" in text
    assert "5 sections, 2 differ" in text
    assert "no lock here" in text
    assert "exit status 3: the case did not come to its end" in text
    assert "no case owns this golden" in text
    assert f"./run_tests.py --suite {tmp_path}/suite 2 3" in text
    assert f"./run_tests.py --suite {tmp_path}/suite 2 --update" in text
    assert f"./run_tests.py --suite {tmp_path}/suite 3 --update" not in text  # would not do it
    assert f"{tmp_path}/suite/expected/2.out:3" in text


def test_no_output_gets_out_of_its_place(made: Path) -> None:
    found = Page(made.read_text())
    assert r"</script><b>\x1b[31m\x00\xff" in found.text
    assert found.scripts == 1
    assert "\x1b" not in made.read_text()
    assert not any(name.startswith("on") for _, attrs in found.elements for name in attrs)


def test_nothing_is_fetched(made: Path) -> None:
    found = Page(made.read_text())
    for tag, attrs in found.elements:
        if tag == "a":  # fetched by who follows it
            continue
        for name in ("src", "href", "action", "data"):
            assert (attrs.get(name) or "#").startswith(("#", "data:")), tag
    assert "url(" not in made.read_text()
    assert "@import" not in made.read_text()


def test_the_filter_needs_no_script(made: Path) -> None:
    """The style sheet hides what a radio button before the list does not show."""
    found = Page(made.read_text())
    shown = [attrs["id"] for tag, attrs in found.elements if attrs.get("name") == "show"]
    style = made.read_text()
    assert shown == ["show-all", "show-failed", "show-passed", "show-not-run"]
    for state in ("failed", "passed", "not-run"):
        assert f"#show-{state}:checked ~ .list > .case:not(.{state})" in style


@pytest.mark.skipif(not BROWSER, reason="there is no chromium to look at it")
@pytest.mark.parametrize(("hash_", "opened"), [("#case-1", True), ("", False)])
def test_a_browser_runs_its_script_and_no_other(
    made: Path, tmp_path: Path, hash_: str, opened: bool
) -> None:
    text = made.read_text()
    evil = "<script>document.title = 'evil'</script><i onclick='x'></i><body>"
    made.write_text(text.replace("<body", f"{evil}<body", 1))
    assert BROWSER
    done = subprocess.run(
        [
            *(BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"),
            *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
            *(f"--user-data-dir={tmp_path}/browser", "--dump-dom", f"file://{made}{hash_}"),
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert 'class="scripts"' in done.stdout
    assert "<title>2 of 4 cases failed, suite</title>" in done.stdout
    (case,) = re.findall(r'<details class="case passed" id="case-1"[^>]*>', done.stdout)
    assert ("open" in case) == opened


LOGGED = """#!/usr/bin/env python3
from goldlock.kits.qemu import Case, run
def main(case: Case) -> None:
    case.qemu_img("before")
    for word in ("one", "two"):
        case.section("Round")
        case.qemu_img(word)
    case.log("bad")
run(main)
"""


@pytest.fixture
def logged(run_tests: RunTests, suite: MakeSuite, tmp_path: Path) -> str:
    """Return the page of a case whose second section of one heading differs."""
    suite.case("1.py", LOGGED, "\n== Round ==\n\n== Round ==\ngood\n")
    path = tmp_path / "report.html"
    run_tests("--suite", str(suite.root), "--html", str(path), QEMU_IMG_PROG="/bin/echo")
    return path.read_text()


def test_a_failing_section_leads_to_its_part_of_the_log(logged: str) -> None:
    (target,) = re.findall(r'href="#(log[^"]*)"', logged)
    (part,) = re.findall(rf'<details class="log" id="{target}" open>(.*?)</details>', logged, re.S)
    assert "<summary>Round (2)</summary>" in part
    assert "$ /bin/echo two" in part
    assert "$ /bin/echo one" not in part
    assert logged.count('<details class="log"') == 3
    assert "$ /bin/echo before" in Page(logged).text


def case_result(number: str, seconds: float = 1.0, started: float = 100.0) -> CaseResult:
    case = CaseResult(number, f"/s/cases/{number}.sh", f"/s/expected/{number}.out", ["quick"])
    case.seconds, case.last, case.started = seconds, 2 * seconds, started
    return case


def report_of(*cases: CaseResult) -> Report:
    run = RunInfo("s", "/s", host="here", cases=len(cases))
    return Report(run, [*cases], end=RunEnd(1.0, 0, stopped=False))


def test_what_failed_comes_first_and_the_first_few_are_open() -> None:
    cases = [case_result(str(number)) for number in range(1, 10)]
    for case in cases[2:]:
        case.problems.append("exit status 1")
    found = Page(html.document(report_of(*cases)))
    shown = [attrs for tag, attrs in found.elements if (attrs.get("id") or "").startswith("case-")]
    assert [attrs["id"] for attrs in shown] == [f"case-{number}" for number in "345678912"]
    assert ["open" in attrs for attrs in shown] == 5 * [True] + 4 * [False]


def test_it_tells_how_and_where_it_was_run(
    run_tests: RunTests, suite: MakeSuite, tmp_path: Path
) -> None:
    suite.case("1", "echo a", golden="a\n")
    git = ("git", "-C", str(suite.root), "-c", "user.name=n", "-c", "user.email=e")
    subprocess.run([*git, "init", "-q"], check=True)
    subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "it"], check=True)
    path, job = tmp_path / "report.html", "https://ci.example/?a=1&b=<2>"
    options = ("-j", "2", "--repeat", "3", "--seed", "0", "--stress")
    run_tests("--suite", str(suite.root), *options, "--html", str(path), CI_JOB_URL=job)
    found = Page(path.read_text())
    head = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True)
    assert "Options-j 2 --repeat 3 --stress --seed 0\n" in found.text
    assert f"Host{os.uname().nodename}, Linux {os.uname().release}" in found.text
    assert f"Commit{head.stdout}" in found.text
    assert f"Job{job}\n" in found.text
    assert ("a", {"href": job}) in found.elements
    assert "Of a case that was run more than once, one run is shown" in found.text


@pytest.mark.parametrize(
    ("environ", "address"),
    [
        (
            {
                "GITHUB_SERVER_URL": "https://github.com",
                "GITHUB_REPOSITORY": "me/it",
                "GITHUB_RUN_ID": "7",
            },
            "https://github.com/me/it/actions/runs/7",
        ),
        ({"CI_JOB_URL": "javascript:alert(1)"}, ""),
        ({}, ""),
    ],
)
def test_the_job_of_a_service(environ: dict[str, str], address: str) -> None:
    assert ci_job_url(environ) == address


def test_a_page_without_cases() -> None:
    assert "No case was run" in Page(html.document(report_of())).text


def test_a_case_that_was_run_often_tells_how_often_it_failed() -> None:
    case = case_result("1")
    case.runs, case.failed_runs, case.problems = 1000, 3, ["exit status 1"]
    text = Page(html.document(report_of(case))).text
    assert "FLAKY: failed in 3 of 1000 runs (0.3 %); what follows" in " ".join(text.split())


def test_a_page_of_ten_thousand_cases_is_of_a_size_that_opens() -> None:
    text = html.document(report_of(*(case_result(str(n), n / 1e4, n) for n in range(10_000))))
    assert len(text) < 15_000_000
    assert text.count('class="case passed"') == 10_000
    assert text.count("<rect") < 2 * (chart.BARS + chart.BLOCKS)


def test_cases_that_ran_side_by_side_are_one_below_the_other() -> None:
    """1 and 2 overlap; 3 begins when 1 has ended, and takes its lane."""
    cases = [
        case_result("1", 2.0, 100.0),
        case_result("2", 4.0, 101.0),
        case_result("3", 1.0, 102.0),
    ]
    found = chart.timeline(cases)
    assert found
    lanes = [(block.start, block.lane, block.width) for block in found.blocks]
    assert lanes == [(0.0, 0, 40.0), (20.0, 1, 80.0), (40.0, 0, 20.0)]


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.0123, "12 ms"), (0.0996, "0.10 s"), (1.017, "1.02 s"), (125.4, "2 min 5 s")],
)
def test_times_are_in_units_that_one_reads(seconds: float, said: str) -> None:
    assert format_duration(seconds) == said


def test_the_bars_are_as_long_as_their_cases_took() -> None:
    said = chart.durations([case_result("1", 1.0), case_result("2", 4.0)])
    bars = [(bar.case.name, bar.now, bar.last) for bar in said.bars]
    assert bars == [("2", 50.0, 100.0), ("1", 12.5, 25.0)]


@pytest.mark.parametrize(
    ("a", "b", "marks"),
    [
        ("a <b> c", "a <B> c", ("a <[b]> c", "a <[B]> c")),
        ("same", "same longer", ("same", "same[ longer]")),
        ("nothing", "ALIKE!!", ("nothing", "ALIKE!!")),
        (f"{'x' * 900}a{'y' * 50}", f"{'x' * 900}{'y' * 50}", None),
    ],
)
def test_changed_characters_are_marked(a: str, b: str, marks: tuple[str, str] | None) -> None:
    expected = marks or (f"{'x' * 900}[a]{'y' * 50}", f"{'x' * 900}{'y' * 50}")
    sides = diff_table.marked(a, b)
    shown = ["".join(f"[{s.text}]" if s.changed else s.text for s in side) for side in sides]
    assert tuple(shown) == expected


def test_lines_of_both_sides_meet_in_a_row() -> None:
    case = case_result("1")
    case.sections = [
        SectionResult(
            "A",
            message="the output differs",
            rows=[
                Row(" ", 1, "== A =="),
                Row("-", 2, "old"),
                Row("+", None, "new"),
                Row("-", 3, "gone"),
                Row("?", None, "  ^"),
                Row("?", None, "Value of root[0] changed"),
            ],
        )
    ]
    (table,) = re.findall(r"<table.*?</table>", html.document(report_of(case)), re.S)
    rows = [re.findall(r"<td[^>]*>(.*?)</td>", row) for row in table.split("<tr")[2:]]
    assert rows == [
        ["1", "== A ==", "== A =="],
        ["2", "old", "new"],
        ["3", "gone", ""],
        ["", "Value of root[0] changed"],
    ]


def test_what_is_huge_is_cut(run_tests: RunTests, suite: MakeSuite, tmp_path: Path) -> None:
    """A line of 7 MB; 3,000 lines of which every other differs; a golden that is all new."""
    suite.case(
        "1", "head -c 7000000 /dev/zero | tr '\\0' x; echo y", golden=f"{'x' * 7_000_000}z\n"
    )
    lines = "".join(f"{n}\n" if n % 2 else "even\n" for n in range(3000))
    suite.case("2", "seq 0 2999", golden=lines)
    path = tmp_path / "report.html"
    run_tests("--suite", str(suite.root), "--html", str(path))
    text = Page(path.read_text()).text
    assert "from character 7000001 on: 'z' became 'y'" in text
    assert re.search(r"\.\.\. and \d+ more lines", text)
    assert path.stat().st_size < 500_000
    run_tests("--suite", str(suite.root), "--html", str(path), "--update", "2")
    text = Page(path.read_text()).text
    assert "The golden was written anew" in text
    assert re.search(r"\.\.\. and \d+ more lines", text)
