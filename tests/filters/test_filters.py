# SPDX-License-Identifier: GPL-2.0-or-later
"""Each filter: what it changes, what it leaves alone; and what holds for all of them."""

import errno
import os
import string
from collections.abc import Callable
from pathlib import Path

import pytest
from goldlock import filters
from goldlock.filters import Filter
from goldlock.lockcalls.protocol import errno_name
from hypothesis import example, given
from hypothesis import strategies as st

ODD = "/tmp/a b+c(1)[x].*$/d"  # a directory that is no regular expression

TABLE: list[tuple[str, Filter, str, str]] = [
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
    ("format", filters.image_format("qcow2"), "file format: qcow2", "file format: IMGFMT"),
    ("extension", filters.image_format("qcow2"), "t.qcow2.base", "t.IMGFMT.base"),
    ("in a word", filters.image_format("raw"), "draw raw_x rawer", "draw raw_x rawer"),
    ("raw", filters.image_format("raw"), "a raw image, fmt=raw", "a IMGFMT image, fmt=IMGFMT"),
    ("program", filters.program("/q/qemu-kvm"), "qemu-kvm: no", "QEMU_PROG: no"),
    ("its path", filters.program("/q/qemu-kvm"), "/q/qemu-kvm: no", "QEMU_PROG: no"),
    ("prompt", filters.program("/q/qemu-kvm"), "(qemu) qemu-kvm: no", "(qemu) QEMU_PROG: no"),
    ("later", filters.program("/q/qemu-kvm"), "by qemu-kvm: no", "by qemu-kvm: no"),
    ("node", filters.node_names, "d0 (#block166): x", "d0 (NODE_NAME): x"),
    ("no node", filters.node_names, "#block12 #blocks #block123x", "#block12 #blocks #block123x"),
    (
        "greeting",
        filters.program("/q/qemu-kvm"),
        "QEMU 7.2.22 (Debian 1:7) monitor - type 'help'",
        "QEMU X.Y.Z monitor - type 'help'",
    ),
    (
        "creation",
        filters.image_creation,
        "Formatting 'a', fmt=qcow2 cluster_size=65536 extended_l2=off preallocation=off size=1024"
        " backing_file=b c backing_fmt=raw lazy_refcounts=off",
        "Formatting 'a', fmt=qcow2 size=1024 backing_file=b c backing_fmt=raw preallocation=off",
    ),
    ("no creation", filters.image_creation, "Formatting a disk", "Formatting a disk"),
    (
        "speed",
        filters.qemu_io,
        "512 bytes, 1 ops; 00.00 sec (12.207 MiB/sec and 25000.0000 ops/sec)",
        "512 bytes, X ops; XX:XX:XX.X (XXX YYY/sec and XXX ops/sec)",
    ),
    (
        "no time",
        filters.qemu_io,
        "wrote, 3 ops; 0:01:02.5 (inf bytes/sec and inf ops/sec)",
        "wrote, X ops; XX:XX:XX.X (XXX YYY/sec and XXX ops/sec)",
    ),
    ("prompts", filters.qemu_io, "qemu-io> qemu-io> no file open", "no file open"),
    (
        "event",
        filters.qmp,
        '{"timestamp": {"seconds": 16, "microseconds": 7}, "event": "STOP"}',
        '{"timestamp": {"seconds":  TIMESTAMP, "microseconds":  TIMESTAMP}, "event": "STOP"}',
    ),
    ("hello", filters.qmp, '{"QMP": {"version": {}, "capabilities": []}}', "QMP_VERSION"),
    ("line ends", filters.escaped_line_ends, '{"return": "OK\\r\\n"}', '{"return": "OKrn"}'),
    ("quote", filters.escaped_line_ends, '{"return": "\\"x\\""}', '{"return": "\\"x\\""}'),
    (
        "typing",
        filters.hmp,
        "(qemu) q\x1b[K\x1b[Dqu\x1b[K\x1b[D\x1b[Dqui\x1b[K\x1b[D\x1b[D\x1b[Dquit\x1b[K",
        "(qemu) quit",
    ),
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
    (
        "who",
        filters.holders("/q/qemu-kvm"),
        "t: byte 101, it may write: qemu-kvm (pid 7, holder)\nt: all: sh (pid 8, contender)",
        "t: byte 101, it may write: QEMU_PROG (pid PID, holder)\nt: all: sh (pid PID, contender)",
    ),
    (
        "nobody",
        filters.holders("/q/qemu-kvm"),
        "qemu-kvm (pid 7), a holder",
        "qemu-kvm (pid 7), a holder",
    ),
    ("order", filters.unordered, "b\na\n\n~ c\n", "~\n~ a\n~ b\n~ c\n"),
    ("one line", filters.unordered, "b\na", "~ a\n~ b"),
    ("span", filters.volatile(r"[\d.]+(?= s$)", "SECONDS"), "1.5 s\n2 s 3", "SECONDS s\n2 s 3"),
    ("groups", filters.volatile(r"took (\d+) of (\d+)", "N"), "1 took 12 of 3", "1 took N of N"),
    ("either", filters.volatile(r"a(\d)|b(\d)", "N"), "a1 b2 c3", "aN bN c3"),
    ("inside", filters.volatile(r"(a(\d)b)", "N"), "xa1bx", "xNx"),
    ("blanks", filters.trailing_blanks, "a \t\n b  \n", "a\n b\n"),
]


@pytest.mark.parametrize(("given_", "change", "text", "expected"), TABLE, ids=[r[0] for r in TABLE])
def test_table(given_: str, change: Filter, text: str, expected: str) -> None:
    assert change(text) == expected


@pytest.mark.parametrize("path", ["", "/", "//", "relative/path", "~"])
def test_a_directory_is_absolute_and_below_the_root(path: str) -> None:
    with pytest.raises(ValueError, match="absolute"):
        filters.directory(path, "TEST_DIR")


@pytest.mark.parametrize(
    ("pattern", "name", "problem"),
    [
        ("(", "N", "not a regular expression"),
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
    assert filters.compose(first, filters.image_format("qcow2"))("/tmp/qcow2/t") == "TEST_DIR/t"
    assert filters.compose()("as it is") == "as it is"


# Those of fcntl(2), and those that network and user-space file systems add.
LOCK_ERRNOS = (
    *("EACCES", "EAGAIN", "EBADF", "EDEADLK", "EFAULT", "EINTR", "EINVAL", "EIO", "ENOLCK"),
    *("ENOMEM", "ENOSYS", "ENOTSUP", "EOVERFLOW", "EPERM", "ESTALE"),
)
MUSL = Path(__file__).with_name("strerror_musl_1.2.3.txt")


def musl() -> dict[str, str]:
    """Return what musl says of each errno, by its name."""
    lines = [line for line in MUSL.read_text().splitlines() if not line.startswith("#")]
    return {name: text for name, _, text in (line.partition(" ") for line in lines)}


def glibc() -> dict[str, str]:
    """Return what this platform says of each errno, by its name in a trace."""
    return {errno_name(code): os.strerror(code) for code in errno.errorcode}


@pytest.mark.parametrize("library", [musl, glibc])
def test_every_errno_of_locks_is_named_and_no_other(library: Callable[[], dict[str, str]]) -> None:
    words = library()
    assert set(LOCK_ERRNOS) <= words.keys()
    for name, text in words.items():
        named = f"lock byte 100: {name if name in LOCK_ERRNOS else text}"
        assert filters.errno_names(f"lock byte 100: {text}") == named


EACH: dict[str, Filter] = {
    "directory": filters.directory("/tmp/x", "TEST_DIR"),
    "odd directory": filters.directory(ODD, "TEST_DIR"),
    "image_format": filters.image_format("raw"),
    "program": filters.program("/usr/bin/qemu"),
    "node_names": filters.node_names,
    "image_creation": filters.image_creation,
    "qemu_io": filters.qemu_io,
    "qmp": filters.qmp,
    "escaped_line_ends": filters.escaped_line_ends,
    "errno_names": filters.errno_names,
    "hmp": filters.hmp,
    "one_line": filters.one_line,
    "carriage_returns": filters.carriage_returns,
    "trailing_blanks": filters.trailing_blanks,
    "holders": filters.holders("/usr/bin/qemu"),
    "volatile": filters.volatile(r"seconds\": (\d+)", "SECONDS"),
}

PIECES = [text for _, _, text, _ in TABLE]
PIECES += ["/tmp/x", "/", "\n", "\r", " ", "\\", "\x1b[K", "\x1b[D", "\x1b", "[K", "raw", "qemu:"]
PIECES += ["qemu-io> ", '"seconds": 1', "(qemu) ", "Formatting 'a', fmt=raw size=1 ", "://"]
TEXTS = st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=5))).map("".join)


@pytest.mark.parametrize("name", [*EACH, "unordered"])
@given(text=TEXTS)
@example(text="\x1b\x1b[K[K")
@example(text="")
def test_a_second_time_changes_nothing(name: str, text: str) -> None:
    change = EACH.get(name, filters.unordered)
    once = change(text)
    assert change(once) == once


@pytest.mark.parametrize("name", EACH)
@given(text=st.text(alphabet=string.ascii_uppercase + string.digits + " .,;!?"))
def test_text_that_is_none_of_its_business_stays(name: str, text: str) -> None:
    text = text.strip()
    assert EACH[name](text) == text


@given(
    path=st.text(min_size=1), before=st.sampled_from("'\"[ =\n"), after=st.sampled_from("'] ,\n/")
)
def test_any_directory_is_found(path: str, before: str, after: str) -> None:
    directory = "/" + path.strip("/")
    if directory == "/":
        return
    change: Callable[[str], str] = filters.directory(directory, "DIR")
    assert change(f"{before}{directory}{after}") == f"{before}DIR{after}"
