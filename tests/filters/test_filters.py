# SPDX-License-Identifier: GPL-2.0-or-later
"""Each filter: what it changes, what it leaves alone; and what holds for all of them."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from goldlock import filters
from goldlock.filters import Filter
from goldlock.linux import errno_name
from hypothesis import example, given
from hypothesis import strategies as st

from tests.filters.support import PLAIN, Row, name_of, pieces, texts

ODD = "/tmp/a b+c(1)[x].*$/d"  # a directory that is no regular expression

TABLE: list[Row] = [
    ("path", filters.directory("/tmp/x", "TEST_DIR"), "'/tmp/x/t.qcow2'", "'TEST_DIR/t.qcow2'"),
    ("itself", filters.directory("/tmp/x", "TEST_DIR"), "in /tmp/x.", "in TEST_DIR."),
    ("slash", filters.directory("/tmp/x/", "TEST_DIR"), "/tmp/x/t", "TEST_DIR/t"),
    ("option", filters.directory("/tmp/x", "TEST_DIR"), "file=/tmp/x/t", "file=TEST_DIR/t"),
    ("url", filters.directory("/tmp/x", "TEST_DIR"), "file:///tmp/x/t", "file://TEST_DIR/t"),
    ("below", filters.directory("/tmp/x", "TEST_DIR"), "/mnt/tmp/x/t", "/mnt/tmp/x/t"),
    ("longer", filters.directory("/tmp/x", "TEST_DIR"), "/tmp/xy/t", "/tmp/xy/t"),
    ("sibling", filters.directory("/tmp/x", "TEST_DIR"), "/tmp/x.old/t", "/tmp/x.old/t"),
    ("odd", filters.directory(ODD, "TEST_DIR"), f"[{ODD}/t]", "[TEST_DIR/t]"),
    ("backslash", filters.directory("/tmp/\\1", "TEST_DIR"), "/tmp/\\1/t", "TEST_DIR/t"),
    (
        "fold",
        filters.one_line,
        "{ 'execute': 'x',\n      'arguments': {\n   'a': 1 } }",
        "{ 'execute': 'x', 'arguments': { 'a': 1 } }",
    ),
    ("returns", filters.carriage_returns, "a\r\nb\r c\r", "a\nb\r c"),
    ("errno", filters.errno_names, "lock byte 1: Input/output error\r\n", "lock byte 1: EIO\r\n"),
    ("musl", filters.errno_names, 'byte 1: I/O error"}}\nx', 'byte 1: EIO"}}\nx'),
    (
        "no errno",
        filters.errno_names,
        "Invalid argument: I/O errors",
        "Invalid argument: I/O errors",
    ),
    ("order", filters.unordered, "b\na\n\n~ c\n", "~\n~ a\n~ b\n~ c\n"),
    ("one line", filters.unordered, "b\na", "~ a\n~ b"),
    ("span", filters.volatile(r"[\d.]+(?= s$)", "SECONDS"), "1.5 s\n2 s 3", "SECONDS s\n2 s 3"),
    ("groups", filters.volatile(r"took (\d+) of (\d+)", "N"), "1 took 12 of 3", "1 took N of N"),
    ("either", filters.volatile(r"a(\d)|b(\d)", "N"), "a1 b2 c3", "aN bN c3"),
    ("inside", filters.volatile(r"(a(\d)b)", "N"), "xa1bx", "xNx"),
    (
        "who",
        filters.holders,
        "t: byte 101, it may write: qemu-kvm (pid 7, holder)\nt: all: sh (pid 8, contender)",
        "t: byte 101, it may write: qemu-kvm (pid PID, holder)\nt: all: sh (pid PID, contender)",
    ),
    (
        "pids",
        filters.pids,
        "process 12 (apt), PID=1, pid: 2, a[3]: x",
        "process PID (apt), PID=PID, pid: PID, a[PID]: x",
    ),
    (
        "no pids",
        filters.pids,
        "a pid, process 1x, argv[3] of 12",
        "a pid, process 1x, argv[3] of 12",
    ),
    ("paths", filters.paths("/tmp/x", "/tmp/s"), "/tmp/x/t /tmp/s", "TEST_DIR/t SOCK_DIR"),
    (
        "a lock file",
        filters.holders,
        "l: created by git (pid 7), open in git (pid 7), sh (pid 9)",
        "l: created by git (pid PID), open in git (pid PID), sh (pid PID)",
    ),
    ("nobody", filters.holders, "t: qemu-kvm (pid 7), a holder", "t: qemu-kvm (pid 7), a holder"),
]


@pytest.mark.parametrize("row", TABLE, ids=name_of)
def test_table(row: Row) -> None:
    _, change, text, expected = row
    assert change(text) == expected


@pytest.mark.parametrize("path", ["", "/", "//", "relative/path", "~"])
def test_a_directory_is_absolute_and_below_the_root(path: str) -> None:
    with pytest.raises(ValueError, match="absolute"):
        filters.directory(path, "TEST_DIR")


@pytest.mark.parametrize(
    ("pattern", "name", "problem"),
    [
        ("(", "N", "not a regular expression"),
        ("a{99999999999}", "N", "not a regular expression"),
        ("(" * 5000, "N", "not a regular expression"),
        ("x*", "N", "nothing at all"),
        ("x", "n", "not a name in capitals"),
        ("x", r"\1", "not a name in capitals"),
        ("x", "", "not a name in capitals"),
    ],
)
def test_what_cannot_be_volatile(pattern: str, name: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        filters.volatile(pattern, name)


@given(st.lists(st.text(st.characters(exclude_characters="\n"))))
def test_lines_in_another_order_are_the_same(lines: list[str]) -> None:
    text, backwards = ("".join(f"{line}\n" for line in each) for each in (lines, lines[::-1]))
    assert filters.unordered(backwards) == filters.unordered(text)


def test_filters_are_applied_from_left_to_right() -> None:
    first = filters.directory("/tmp/qcow2", "TEST_DIR")
    assert (
        filters.compose(first, filters.volatile("qcow2", "FORMAT"))("/tmp/qcow2/t") == "TEST_DIR/t"
    )
    assert filters.compose()("as it is") == "as it is"


MUSL = Path(__file__).with_name("strerror_musl_1.2.3.txt")


def musl() -> dict[str, str]:
    """Return what musl says of each errno, by its name."""
    lines = [line for line in MUSL.read_text().splitlines() if not line.startswith("#")]
    return {name: text for name, _, text in (line.partition(" ") for line in lines)}


def glibc() -> dict[str, str]:
    """Return what this platform says of each errno, by its name in a trace."""
    return {errno_name(code): os.strerror(code) for code in errno.errorcode}


@pytest.mark.parametrize("library", [musl, glibc])
def test_every_errno_is_named(library: Callable[[], dict[str, str]]) -> None:
    words = library()
    assert len(words) > 90
    for name, text in words.items():
        assert filters.errno_names(f"lock byte 100: {text}") == f"lock byte 100: {name}"
    assert filters.errno_names(f"byte 1: {words['EIO']}s") == f"byte 1: {words['EIO']}s"


EACH: dict[str, Filter] = {
    "directory": filters.directory("/tmp/x", "TEST_DIR"),
    "odd directory": filters.directory(ODD, "TEST_DIR"),
    "errno_names": filters.errno_names,
    "one_line": filters.one_line,
    "carriage_returns": filters.carriage_returns,
    "holders": filters.holders,
    "paths": filters.paths("/tmp/x", "/tmp/s"),
    "pids": filters.pids,
    "volatile": filters.volatile(r"seconds\": (\d+)", "SECONDS"),
}
TEXTS = texts(*pieces(TABLE), "/tmp/x", "/", "\n", "\r", " ", "\\", '"seconds": 1', "://")


@pytest.mark.parametrize("name", [*EACH, "unordered"])
@given(text=TEXTS)
@example(text="")
def test_a_second_time_changes_nothing(name: str, text: str) -> None:
    change = EACH.get(name, filters.unordered)
    once = change(text)
    assert change(once) == once


@pytest.mark.parametrize("name", EACH)
@given(text=PLAIN)
def test_text_that_is_none_of_its_business_stays(name: str, text: str) -> None:
    assert EACH[name](text) == text


@given(
    path=st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1),
    before=st.sampled_from("'\"[ =\n"),
    after=st.sampled_from("'] ,\n/"),
)
def test_any_directory_is_found(path: str, before: str, after: str) -> None:
    directory = "/" + path.strip("/")
    if directory == "/":
        return
    change: Callable[[str], str] = filters.directory(directory, "DIR")
    assert change(f"{before}{directory}{after}") == f"{before}DIR{after}"
