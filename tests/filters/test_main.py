# SPDX-License-Identifier: GPL-2.0-or-later
"""Filters by name, as a case in another language applies them."""

import subprocess
import sys

import pytest

from tests.conftest import ROOT, MakeSuite, RunTests


def apply(*words: str, text: bytes = b"") -> "subprocess.CompletedProcess[bytes]":
    return subprocess.run(
        [sys.executable, "-m", "goldlock.filters", *words],
        env={"PYTHONPATH": str(ROOT / ".import")},
        input=text,
        capture_output=True,
        check=False,
    )


def test_filters_run_in_their_order_each_with_its_arguments() -> None:
    words = ("directory", "/tmp/x", "TEST_DIR", "volatile", "[0-9]+", "N", "unordered")
    done = apply(*words, text=b"b /tmp/x/t\na 12 \xff\n")
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout == b"~ a N \xff\n~ b TEST_DIR/t\n"


def test_each_filter_is_listed_in_a_line() -> None:
    lines = apply("--list").stdout.decode().splitlines()
    assert "directory PATH NAME      Write NAME for the directory PATH, taken literally." in lines
    assert [line.split()[0] for line in lines] == sorted(line.split()[0] for line in lines)
    assert not [line for line in lines if "compose" in line or "Filter" in line]


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (
            ["one-line"],
            "unknown filter 'one-line'; did you mean 'one_line'? goldlock filter --list",
        ),
        (["compose"], "unknown filter 'compose'; goldlock filter --list lists them"),
        (["one_line", "x"], "unknown filter 'x'; goldlock filter --list lists them"),
        (["volatile", "x"], "volatile wants PATTERN NAME, and was given 1 of them"),
        (["directory", "x", "y"], "directory: not the absolute path of a directory below"),
        (["paths"], "paths: TEST_DIR is not set; a case has it"),
        ([], "no filter named; --list lists them"),
    ],
)
def test_what_is_no_filter(words: list[str], problem: str) -> None:
    done = apply(*words, text=b"text")
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.decode().startswith(f"filters: {problem}")
    assert done.stderr.count(b"\n") == 1


@pytest.mark.parametrize(
    ("word", "where"),
    [("pids", "<&-"), ("pids", ">&-"), ("pids", ">/dev/full"), ("--list", ">/dev/full")],
)
def test_what_cannot_be_read_or_written(word: str, where: str) -> None:
    done = subprocess.run(
        ["sh", "-c", f'echo x | "$0" -m goldlock.filters {word} {where}', sys.executable],
        env={"PYTHONPATH": str(ROOT / ".import")},
        capture_output=True,
        check=False,
    )
    problem = "No space left on device" if "full" in where else "Bad file descriptor"
    assert done.stderr.decode() == f"filters: standard input or output: {problem}\n"
    assert done.returncode == 2


def test_in_a_shell_case(run_tests: RunTests, suite: MakeSuite) -> None:
    filters = '"$PYTHON" -m goldlock.filters directory "$TEST_DIR" TEST_DIR unordered'
    script = f'echo "$TEST_DIR/b\na" | {filters}'
    suite.case("1.sh", f"#!/bin/sh\n{script}", "~ TEST_DIR/b\n~ a\n")
    done = run_tests("--suite", str(suite.root))
    assert done.returncode == 0, done.stdout
