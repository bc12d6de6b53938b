# SPDX-License-Identifier: GPL-2.0-or-later
"""Names and words that would act on who reads a report: each report shows them, and no more."""

import json
import os
import re
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from goldlock.reports import annotations, html, json_lines, junit, tap
from goldlock.result import (
    CaseResult,
    Change,
    OtherFailure,
    Report,
    Row,
    RunEnd,
    RunInfo,
    SectionResult,
)

from tests.conftest import MakeSuite, RunTests
from tests.reports.test_annotations import commands
from tests.reports.test_html import Page
from tests.reports.test_tap import parse

EVIL = "\x1b[31m\r\n::error f=x::y\nBail out! # SKIP <script>alert(1)</script>\udcff\x00\u202e]]>"
SHOWN = r"\x1b[31m\r\n::error f=x::y\nBail out! # SKIP <script>alert(1)</script>\xff\x00\u202e]]>"
"""What is shown of it where it is in one line."""


def hostile() -> Report:
    """Return a report in which all text is hostile."""
    section = SectionResult(
        f"title {EVIL}",
        [Change(0, 1, (EVIL,))],
        file=f"/s/expected/{EVIL}.out",
        line=1,
        message="the output differs from the golden",
        rows=[Row("-", 1, EVIL), Row("+", None, f"{EVIL}!"), Row("?", None, EVIL)],
    )
    failed = CaseResult("1", f"/s/cases/{EVIL}", f"/s/expected/{EVIL}.out", [EVIL])
    failed.sections, failed.problems = [section], [f"leaked: {EVIL}"]
    failed.kept, failed.kept_files = f"/tmp/{EVIL}", f"output kept in /tmp/{EVIL}/output"
    failed.log, failed.update = f"== title {EVIL} ==\n{EVIL}", f"-{EVIL}\n+{EVIL}"
    not_run = CaseResult("2", "/s/cases/2", "/s/expected/2.out", reason=EVIL)
    run = RunInfo(EVIL, f"/{EVIL}", programs={EVIL: EVIL}, facts={"version": EVIL})
    run.rows, run.heading, run.host, run.cases = [(EVIL, EVIL)], [EVIL], EVIL, 2
    others = [OtherFailure(f"/s/expected/9.{EVIL}.out", f"no case owns this golden: {EVIL}")]
    return Report(run, [failed, not_run], others, RunEnd(1.0, 1, stopped=False))


def json_document(report: Report) -> str:
    lines = [json_lines.run_start(report.run), *map(json_lines.case, report.cases)]
    return "\n".join([*lines, *map(json_lines.other, report.others), json_lines.run_end(report)])


DOCUMENTS: dict[str, Callable[[Report], str]] = {
    "html": html.document,
    "junit": junit.document,
    "tap": tap.document,
    "json lines": json_document,
    "github": lambda report: "\n".join(annotations.github(report, {})),
    "gitlab": lambda report: annotations.gitlab(report, {}),
}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_report_is_text_that_anybody_can_show(name: str) -> None:
    document = DOCUMENTS[name](hostile())
    document.encode()
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]", document)


def test_html_has_one_script() -> None:
    page = Page(html.document(hostile()))
    assert page.scripts == 1
    assert r"<script>alert(1)</script>\xff\x00\u202e]]>" in page.text


def test_junit_can_be_read() -> None:
    root = ET.fromstring(junit.document(hostile()))
    names = [case.attrib["name"] for case in root.iter("testcase")]
    assert f"title {SHOWN}".replace(r"\n", "\n") in names


def test_tap_has_its_points_and_no_directive() -> None:
    lines = tap.document(hostile()).splitlines()
    one, two, other = parse(lines)
    assert [one.ok, two.ok, other.ok] == [False, True, False]
    assert one.children[0].description == f"title {SHOWN}"
    assert two.skip is not None
    assert not any(line.lstrip().startswith("Bail out!") for line in lines)


def test_json_lines_are_of_their_number() -> None:
    lines = json_document(hostile()).split("\n")
    assert [json.loads(line)["event"] for line in lines] == [
        "run start",
        "case",
        "case",
        "other",
        "run end",
    ]


def test_github_gets_its_own_commands_only() -> None:
    said = "\n".join(annotations.github(hostile(), {}))
    assert len(commands(said)) == len(said.split("\n")) == 3
    assert [properties["line"] for properties, _ in commands(said)] == ["1", "1", "1"]


def test_gitlab_gets_its_issues() -> None:
    assert len(json.loads(annotations.gitlab(hostile(), {}))) == 3


def lines_that_act(said: str) -> list[str]:
    """Return the lines that GitHub would take for commands, while it takes any."""
    acting, stopped = [], ""
    for line in said.split("\n"):
        bare = line.strip()
        if stopped:
            stopped = "" if bare == f"::{stopped}::" else stopped
        elif found := re.fullmatch(r"::stop-commands::(\w{20,})", bare):
            stopped = found[1]
        elif bare.startswith("::") or "##[" in bare:
            acting.append(bare)
    assert not stopped, "commands are not taken again"
    return acting


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_of_a_run_with_hostile_names(
    run_tests: RunTests, suite: MakeSuite, tmp_path: Path, jobs: str
) -> None:
    name = os.fsencode("\n::error::x\nBail out!\x1b[31m") + b"\xff"
    expected = os.fsencode(suite.root / "expected")
    for number in (b"8", b"9"):
        Path(os.fsdecode(expected + b"/" + number + b"." + name + b".out")).write_text("")
    script = "printf '== A ==\\n\\033[31m::error::z\\n##[error]w\\n'; sh -c 'exec -a \"$1\" false'"
    suite.case("1", f"{script}; echo ::error::out >&2; exit 3", golden="== A ==\n")
    files = {option: tmp_path / option for option in ("html", "junit-xml", "tap", "json-lines")}
    asked = [word for option, path in files.items() for word in (f"--{option}", str(path))]
    done = run_tests("--suite", str(suite.root), "-j", jobs, *asked, GITHUB_ACTIONS="true")
    assert done.returncode == 1
    assert "\x1b" not in done.stdout
    assert r"Bail out!\x1b[31m\xff" in done.stdout
    acting = lines_that_act(done.stdout)
    assert len(acting) == 4  # the section, the case, and two goldens
    assert all(line.startswith("::error file=") for line in acting)
    assert len(parse(files["tap"].read_text().splitlines())) == 3
    assert len([*ET.parse(files["junit-xml"]).getroot().iter("testcase")]) == 4
    assert files["html"].read_text().count("<script>") == 1
    assert len(files["json-lines"].read_text().splitlines()) == 5


@pytest.mark.parametrize("options", [(), ("--", "-n", "2")])
def test_output_that_is_not_utf_8(
    suite: MakeSuite, run_tests: RunTests, options: tuple[str, ...]
) -> None:
    suite.case("1", "echo '== A =='; printf '\\377\\n'", golden="== A ==\n\\xff\n")
    report = suite.root / "report"
    done = run_tests("--suite", str(suite.root), "--json-lines", str(report), *options)
    assert "1 case: 1 failed; 1 section, 1 differ" in done.stdout
    (section,) = json.loads(report.read_text().splitlines()[1])["sections"]
    assert ["+", None, r"\xff"] in section["rows"]


def test_paths_that_are_not_utf_8(suite: MakeSuite, run_tests: RunTests, tmp_path: Path) -> None:
    root = Path(os.fsdecode(os.fsencode(suite.root) + b"\xff"))
    suite.case("1", "echo '== A =='; echo b", golden="== A ==\na\n")
    suite.root.rename(root)
    files = {option: tmp_path / option for option in ("html", "junit-xml", "tap", "json-lines")}
    asked = [word for option, path in files.items() for word in (f"--{option}", str(path))]
    done = run_tests("--suite", str(root), *asked)
    assert "1 case: 1 failed; 1 section, 1 differ" in done.stdout
    ours = [line for line in done.stdout.split("\n") if "::1 " not in line]  # pytest's node ids
    "\n".join(ours).encode()
    for path in files.values():
        assert r"suite\xff/expected/1.out" in path.read_text().replace("\\\\", "\\")
    done = run_tests("--suite", str(root), "--", "-n", "2")
    assert done.returncode == 2
    assert r"takes no path that is not UTF-8" in done.stdout
    assert "Traceback" not in done.stdout


def test_what_a_program_says_of_its_version(run_tests: RunTests, suite: MakeSuite) -> None:
    said = shlex.quote("printf '9\\033[31m\\r::error::x\\n'")
    declared = f"[programs.own]\ncommand = 'sh'\nversion = {json.dumps(f'-c {said}')}\n"
    (suite.root / "suite.toml").write_text(declared)
    suite.case("1", "# needs: own\necho a", golden="a\n")
    done = run_tests("--suite", str(suite.root))
    assert r"program own: 9\x1b[31m\r::error::x (" in done.stdout
    assert "\x1b" not in done.stdout


def test_an_error_names_what_was_given(run_tests: RunTests, tmp_path: Path) -> None:
    done = run_tests("--suite", f"{tmp_path}/\x1b[31m\n::error::x")
    assert done.returncode == 2
    assert r"\x1b[31m" in done.stdout
    assert "\x1b" not in done.stdout


def test_a_file_that_is_no_case(run_tests: RunTests, suite: MakeSuite, tmp_path: Path) -> None:
    suite.case("1", "echo a", golden="a\n")
    (suite.root / "cases" / "2\x1b[31m\n::error::x").write_text("")
    for options in ((), ("--", "-k", "1")):
        done = run_tests("--suite", str(suite.root), *options, GITHUB_ACTIONS="true")
        assert done.returncode == 2
        assert r"2\x1b[31m" in done.stdout
        assert "\x1b" not in done.stdout
        assert not [line for line in lines_that_act(done.stdout) if "error file=" not in line]


def test_an_argument_of_a_process_that_hangs(run_tests: RunTests, suite: MakeSuite) -> None:
    suite.case("1", "sh -c 'sleep 1000; :' \"$(printf 'a\\033[31m\\n::error::b')\"", golden="")
    done = run_tests("--suite", str(suite.root), "--time-limit", "10")
    assert "time limit: the case was still running" in done.stdout
    assert r"a\x1b[31m" in done.stdout
    assert "\x1b" not in done.stdout


def test_what_programs_were_told_and_said(run_tests: RunTests, suite: MakeSuite) -> None:
    suite.case(
        "1.py",
        "#!/usr/bin/env python3\nfrom goldlock import Case, run\n"
        "def main(case: Case) -> None:\n    case.qemu_img('a\\x1b[31m\\x9b')\nrun(main)\n",
        golden="",
    )
    suite.kit()
    done = run_tests("--suite", str(suite.root), "-d", QEMU_IMG_PROG="/bin/echo")
    assert r"a\x1b[31m\x9b" in done.stdout
    assert not re.search("[\x1b\x9b]", done.stdout)


def test_the_names_of_files_that_are_locked_or_waited_for(
    run_tests: RunTests, suite: MakeSuite
) -> None:
    """Both commands write to a terminal, or to a golden."""
    name = "f=$(printf 'a\\033[31m\\n::error::x')"
    table = 'exec 9>"$f"; flock 9; goldlock locks | sed "s/(flock):.*/(flock)/"'
    wait = 'goldlock wait --missing "$f" --timeout 0.1 2>&1 | grep -c "$(printf \'\\033\')"'
    golden = "a\\x1b[31m\\n::error::x: all bytes, exclusive (flock)\n0\n"
    suite.case("1", f'cd "$TEST_DIR"; {name}\n{table}\n{wait}\ntrue', golden)
    done = run_tests("--suite", str(suite.root))
    assert done.returncode == 0, done.stdout


def test_prove_is_not_bailed_out(tmp_path: Path) -> None:
    document = tmp_path / "tap"
    document.write_text(tap.document(hostile()))
    try:
        done = subprocess.run(
            ["prove", "-e", "cat", document], capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        pytest.skip("there is no prove")
    assert "Failed tests:  1, 3" in done.stdout
    assert "Bailout" not in done.stdout + done.stderr
