# SPDX-License-Identifier: GPL-2.0-or-later
"""Each filter of the kit: what it changes, what it leaves alone; and what holds for all of them."""

import subprocess
import sys

import pytest
from goldlock.filters import Filter
from goldlock.kits.qemu import filters
from hypothesis import example, given

from tests.conftest import ROOT
from tests.filters.support import PLAIN, Row, name_of, pieces, texts

TABLE: list[Row] = [
    ("format", filters.image_format("qcow2"), "file format: qcow2", "file format: IMGFMT"),
    ("extension", filters.image_format("qcow2"), "t.qcow2.base", "t.IMGFMT.base"),
    ("in a word", filters.image_format("raw"), "draw raw_x rawer", "draw raw_x rawer"),
    ("raw", filters.image_format("raw"), "a raw image, fmt=raw", "a IMGFMT image, fmt=IMGFMT"),
    ("program", filters.program("/q/qemu-kvm"), "qemu-kvm: no", "QEMU_PROG: no"),
    ("its path", filters.program("/q/qemu-kvm"), "/q/qemu-kvm: no", "QEMU_PROG: no"),
    ("prompt", filters.program("/q/qemu-kvm"), "(qemu) qemu-kvm: no", "(qemu) QEMU_PROG: no"),
    ("later", filters.program("/q/qemu-kvm"), "by qemu-kvm: no", "by qemu-kvm: no"),
    ("utility", filters.utility("/q/qemu-io", "qemu-io"), "/q/qemu-io: no", "qemu-io: no"),
    ("by another name", filters.utility("/q/io", "qemu-io"), "io: no /q/io:", "qemu-io: no /q/io:"),
    ("in a hint", filters.utility("/q/i", "qemu-img"), "Try '/q/i a'", "Try 'qemu-img a'"),
    ("no utility", filters.utility("", "qemu-io"), "qemu-io: no", "qemu-io: no"),
    (
        "usage error of 10.1",
        filters.usage_errors,
        "qemu-img amend: invalid option -- 'U'\nTry 'qemu-img amend --help' for more information\n",
        "qemu-img: unrecognized option '-U'\nTry 'qemu-img --help' for more information\n",
    ),
    (
        "usage error of Debian's 10.0",
        filters.usage_errors,
        "Try 'qemu-img commit --help' for more info\n",
        "Try 'qemu-img --help' for more information\n",
    ),
    (
        "reopen of 5.2",
        filters.stable_reopen,
        "{ 'execute': 'x-blockdev-reopen', 'arguments': { 'node-name': 'a', 'b': {} } }",
        "{ 'execute': 'blockdev-reopen', 'arguments':"
        " { 'options': [ { 'node-name': 'a', 'b': {} } ] } }",
    ),
    (
        "warning of 11.0",
        filters.unnamed_warnings,
        "QEMU_PROG: warning: Failed to unlock byte 101",
        "warning: Failed to unlock byte 101",
    ),
    ("no warning", filters.unnamed_warnings, "QEMU_PROG: Failed", "QEMU_PROG: Failed"),
    (
        "error of 10.2",
        filters.without_error_prefix,
        '{"return": "Error: Failed to lock byte 201rn"}',
        '{"return": "Failed to lock byte 201rn"}',
    ),
    (
        "error as text",
        filters.without_error_prefix,
        "Error: Device 'd0' not found",
        "Device 'd0' not found",
    ),
    (
        "phase of 10.0",
        filters.without_device_phase,
        '{"timestamp": {}, "event": "MIGRATION", "data": {"status": "device"}}\n',
        "",
    ),
    (
        "another phase",
        filters.without_device_phase,
        '{"event": "MIGRATION", "data": {"status": "active"}}\n',
        '{"event": "MIGRATION", "data": {"status": "active"}}\n',
    ),
    (
        "said twice",
        filters.errors_said_once,
        'QEMU_PROG: Failed "a"\nIs another process using the image [t]?\n'
        '{"error": {"desc": "Failed \\"a\\""}}',
        '{"error": {"desc": "Failed \\"a\\""}}',
    ),
    (
        "said once",
        filters.errors_said_once,
        'warning: no\n{"error": {"desc": "Failed"}}',
        'warning: no\n{"error": {"desc": "Failed"}}',
    ),
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
        "info",
        filters.image_info,
        "image: t\nfile format: qcow2\nvirtual size: 1 MiB (1048576 bytes)\ndisk size: 9 KiB\n"
        "Child node '/file':\n    filename: t\n    file length: 9 KiB\n",
        "image: t\nfile format: qcow2\nvirtual size: 1 MiB (1048576 bytes)\n",
    ),
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
        "holder",
        filters.program("/q/qemu-kvm"),
        "t: byte 101, it may write: qemu-kvm (pid 7, holder)\nt: all: sh (pid 8, contender)",
        "t: byte 101, it may write: QEMU_PROG (pid 7, holder)\nt: all: sh (pid 8, contender)",
    ),
    ("no holder", filters.program("/q/qemu-kvm"), "qemu-kvm (pid 7), a", "qemu-kvm (pid 7), a"),
]
EACH: dict[str, Filter] = {
    "image_format": filters.image_format("raw"),
    "program": filters.program("/usr/bin/qemu"),
    "node_names": filters.node_names,
    "image_creation": filters.image_creation,
    "qemu_io": filters.qemu_io,
    "qmp": filters.qmp,
    "escaped_line_ends": filters.escaped_line_ends,
    "hmp": filters.hmp,
}
KNOWN = ("/tmp/x", "/", "\n", "\r", " ", "\\", "\x1b[K", "\x1b[D", "\x1b", "[K", "raw", "qemu:")
MORE = ("qemu-io> ", '"seconds": 1', "(qemu) ", "Formatting 'a', fmt=raw size=1 ")
TEXTS = texts(*pieces(TABLE), *KNOWN, *MORE)


@pytest.mark.parametrize("row", TABLE, ids=name_of)
def test_table(row: Row) -> None:
    _, change, text, expected = row
    assert change(text) == expected


@pytest.mark.parametrize("name", EACH)
@given(text=TEXTS)
@example(text="\x1b\x1b[K[K")
@example(text="")
def test_a_second_time_changes_nothing(name: str, text: str) -> None:
    change = EACH[name]
    once = change(text)
    assert change(once) == once


@pytest.mark.parametrize("name", EACH)
@given(text=PLAIN)
def test_text_that_is_none_of_its_business_stays(name: str, text: str) -> None:
    assert EACH[name](text) == text


def apply(kit: str, *words: str, text: bytes = b"") -> "subprocess.CompletedProcess[bytes]":
    return subprocess.run(
        [sys.executable, "-m", "goldlock.filters", *words],
        env={"PYTHONPATH": str(ROOT / ".import"), "GOLDLOCK_KIT": kit},
        input=text,
        capture_output=True,
        check=False,
    )


def test_the_command_knows_the_filters_of_the_kit_that_is_named() -> None:
    done = apply("qemu", "holders", "program", "/q/qemu", text=b"t: all: qemu (pid 7, holder)\n")
    assert (done.stdout, done.stderr) == (b"t: all: QEMU_PROG (pid PID, holder)\n", b"")
    assert (
        b"\nimage_format FMT         Write IMGFMT for the word FMT.\n"
        in apply("qemu", "--list").stdout
    )
    assert b"image_format" not in apply("", "--list").stdout


def test_a_kit_that_is_not_there() -> None:
    done = apply("qmeu", "holders")
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.startswith(b"filters: GOLDLOCK_KIT: kit 'qmeu' has no filters (")
