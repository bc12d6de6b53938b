# SPDX-License-Identifier: GPL-2.0-or-later
"""What README and docs show is so."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from goldlock.command_line import parser_for
from goldlock.lockcalls.file_words import pack
from goldlock.lockcalls.plan import parse_plan
from goldlock.lockcalls.words import byte_words
from goldlock.suite.programs import Programs
from goldlock.suite.suite_file import suite_file

from tests.conftest import ROOT, MakeSuite, RunTests, quiet_environment

README = (ROOT / "README.md").read_text()
DOCS = {path.name: path.read_text() for path in sorted((ROOT / "docs").glob("*.md"))}
OPTIONS = DOCS["options.md"]


def files() -> Iterator[tuple[str, str]]:
    """Yield the files that README and docs show: their paths and contents."""
    for text in (README, *DOCS.values()):
        yield from re.findall(r"^```\w+ file=(\S+)\n(.*?)^```$", text, re.M | re.S)


def test_the_worked_examples_do_what_they_say(
    run_tests: RunTests, suite: MakeSuite, qemu: Programs
) -> None:
    shown = {path: text for path, text in files() if not path.startswith("tests/")}
    assert set(shown) == {
        f"{where}/{n}"
        for where, n in (
            ("cases", "201.py"),
            ("cases", "202.sh"),
            ("cases", "203.py"),
            ("cases", "204.sh"),
            ("expected", "201.out"),
            ("expected", "202.out"),
            ("expected", "203.out"),
            ("expected", "204.out"),
        )
    }
    for path, text in shown.items():
        if path.startswith("cases/"):
            suite.case(path.removeprefix("cases/"), text)
    first = run_tests("--suite", str(suite.root))
    assert first.returncode == 1
    assert first.stdout.count("no golden; read the output, then --update makes one") == 4
    assert run_tests("--suite", str(suite.root), "--update").returncode == 0
    made = {path.name: path.read_text() for path in (suite.root / "expected").iterdir()}
    errno = ": Resource temporarily unavailable"
    assert made["201.out"].replace(errno, "") == shown["expected/201.out"]
    for name in ("202.out", "203.out", "204.out"):
        assert made[name] == shown[f"expected/{name}"]
    assert run_tests("--suite", str(suite.root)).returncode == 0


def test_what_is_shown_of_this_repository_is_in_it() -> None:
    shown = {path: text for path, text in files() if path.startswith("tests/")}
    assert len(shown) == 5
    for path, text in shown.items():
        assert (ROOT / path).read_text().lstrip("\n") == text, path


def test_each_plan_that_is_shown_can_be_read() -> None:
    of_sqlite = suite_file(ROOT / "tests" / "worlds" / "sqlite")
    words = byte_words("qemu", pack(of_sqlite.locks))
    first = "    lock any byte of t.qcow2 fails"
    lines = f"{first}{DOCS['faults.md'].split(first)[1]}".split("\n\n")[0].splitlines()
    quoted = re.findall(r"'((?:un)?lock [^']* (?:fails with|is) [^']*)'", "\n".join(DOCS.values()))
    assert (len(lines), len(quoted)) == (9, 5)
    for line in (*lines, *quoted):
        assert parse_plan(line, words), line


def test_each_option_is_told_of() -> None:
    hidden = {"-h", "--help"}
    formats = {flag for flag in _flags() if re.fullmatch(r"-\w{2,}", flag)}
    assert {flag for flag in _flags() - hidden - formats if flag not in OPTIONS} == set()


def test_each_option_that_is_told_of_is_there() -> None:
    told = set(re.findall(r"[`\s](--?[a-z][a-z-]+)", OPTIONS))
    of_pytest = {flag for flag in told if flag.startswith("--goldlock-")}
    assert told - _flags() == of_pytest


def _flags() -> set[str]:
    return {flag for action in parser_for(ROOT)._actions for flag in action.option_strings}


def test_the_picture_is_what_a_run_prints(tmp_path: Path, qemu: Programs) -> None:
    """But for the version and paths of the programs, the scratch directory and the time."""
    if qemu.facts["errno_policy"] != "elided":
        pytest.skip("the picture is of a QEMU that elides the errno's text")
    picture = README.split("```console\n$ ./run_tests.py 153 182\n")[1].split("```")[0]
    for folder in ("cases", "expected", "harness", "filters"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    (tmp_path / ".import").mkdir()
    (tmp_path / ".import" / "goldlock").symlink_to("../harness")
    for file in ("run_tests.py", "suite.toml"):
        shutil.copy(ROOT / file, tmp_path)
    golden = tmp_path / "expected" / "153.elided.out"
    head, link, tail = golden.read_text().partition("== Symbolic link ==\n")
    golden.write_text(head + link + tail.replace("write", "wrote", 1))
    done = subprocess.run(
        [sys.executable, "run_tests.py", "153", "182"],
        cwd=tmp_path,
        env={**quiet_environment(), "COLUMNS": "80"},
        capture_output=True,
        text=True,
        check=False,
    )
    kept = re.findall(r"^output kept in (/\S+/goldlock-\w+)/153/output", done.stdout, re.M)
    shutil.rmtree(kept[0])
    assert _of_any_run(done.stdout) == _of_any_run(picture)


def test_the_picture_of_the_race_is_what_the_golden_has() -> None:
    golden = (ROOT / "expected" / "502.out").read_text()
    shown = README.split("...\n  creator: exit status 1\n")[1].split("```")[0]
    shown = re.sub(r"\n  ls: cannot access .*", "\n  THE IMAGE IS GONE", shown)
    assert f"  creator: exit status 1\n{shown}" in golden
    drawn = (ROOT / "docs" / "race.svg").read_text()
    steps = re.findall(r'class="code" x="12" y="\d+">(\w+)<', drawn)
    assert f"order: {' '.join(steps)} (" in shown


def _of_any_run(text: str) -> str:
    text = re.sub(r"QEMU \S+( \([^)]*\))?, accelerator \w+", "QEMU", text)
    text = re.sub(r"/\S*/(goldlock-)\w+", r"\1", text)
    text = re.sub(r"^(  qemu-[a-z-]+: ).*", r"\1", text, flags=re.M)
    return re.sub(r"^=+( 1 failed, 1 passed in ).*", r"\1", text, flags=re.M)
