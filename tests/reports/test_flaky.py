# SPDX-License-Identifier: GPL-2.0-or-later
"""A case that fails now and then: each report says so, and how often."""

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tests.conftest import MakeSuite, RunTests

SHARE = "FLAKY: failed in 2 of 8 runs (25 %)"


@pytest.fixture
def said(run_tests: RunTests, flaky: MakeSuite, tmp_path: Path) -> str:
    """Run it for all reports, as on GitHub; return what the console said."""
    files = ("--html", "--junit-xml", "--gitlab-report")
    asked = [word for name in files for word in (name, str(tmp_path / name[2:]))]
    once = ("--suite", str(flaky.root), "--repeat", "8", "-j", "1")
    done = run_tests(*once, *asked, GITHUB_ACTIONS="true", GITHUB_WORKSPACE=str(tmp_path))
    assert done.returncode == 1
    return done.stdout


def test_the_consoles_last_lines_say_so(said: str) -> None:
    assert f"\n1 {SHARE}; output kept in " in said


def test_github_is_told(said: str) -> None:
    (line,) = [line for line in said.splitlines() if line.startswith("::error")]
    assert "title=1 [Two]::FLAKY: failed in 2 of 8 runs (25 %25): " in line


def test_gitlab_is_told_and_knows_it_again(said: str, tmp_path: Path) -> None:
    (issue,) = json.loads((tmp_path / "gitlab-report").read_text())
    assert issue["description"].startswith(f"{SHARE}: 1 [Two]: the output differs")


def test_junit_xml_says_so_and_what_was_kept(said: str, tmp_path: Path) -> None:
    (failure,) = ET.parse(tmp_path / "junit-xml").getroot().iter("failure")
    assert failure.attrib["message"].startswith(f"{SHARE}: ")
    assert "\noutput kept in " in str(failure.text)


def test_the_page_says_so_and_how_to_see_it_again(said: str, tmp_path: Path) -> None:
    text = (tmp_path / "html").read_text()
    assert '<span class="state">flaky</span>' in text
    assert f"<b>{SHARE}</b>; what follows" in text
    assert text.count(f"./run_tests.py --suite {tmp_path}/suite 1 --repeat 8</code>") == 2
    assert "--update" not in text
