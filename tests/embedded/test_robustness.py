# SPDX-License-Identifier: GPL-2.0-or-later
"""Damaged input: one clear message and exit status 1, in bounded time and memory."""

import contextlib
import json
import resource
import subprocess
import tempfile
from pathlib import Path

import pytest
from goldlock.embedded.common import report
from goldlock.embedded.common.json_parse import parse, value_of
from goldlock.embedded.common.json_split import JsonError, Splitter
from goldlock.embedded.qcow2.header import HEADER_LENGTH, Header, decode
from goldlock.embedded.system.drives import Machine
from goldlock.embedded.system.qmp import QmpSession
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.embedded.programs import command, environment, run

_MEMORY = 400 << 20


def _good() -> bytearray:
    header = Header()
    header.size = 1 << 20
    header.l1_size, header.l1_offset = 1, 3 << 16
    header.reftable_offset, header.reftable_clusters = 1 << 16, 1
    header.backing_file, header.backing_format = "base", "qcow2"
    data = bytearray(4 << 16)
    encoded = header.encode()
    data[: len(encoded)] = encoded
    return data


@settings(max_examples=400, deadline=None, derandomize=True)
@given(data=st.binary(min_size=HEADER_LENGTH, max_size=600))
def test_any_header_is_read_or_refused(data: bytes) -> None:
    with contextlib.suppress(report.BlockError):  # any other exception fails the test
        decode(b"QFI\xfb\0\0\0\3" + data)


_CHANGES = st.lists(
    st.tuples(
        st.integers(4, 180) | st.integers(0x10000, 0x10010) | st.integers(0x30000, 0x30008),
        st.sampled_from([1, 2, 4, 8]),
        st.sampled_from([0, 1, 0x7F, 0xFF]) | st.integers(0, 255),
    ),
    min_size=1,
    max_size=4,
)


def _limit() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))


@settings(max_examples=40, deadline=None, derandomize=True,
          suppress_health_check=[HealthCheck.too_slow])  # fmt: skip
@given(changes=_CHANGES, program=st.sampled_from(["info", "check", "map", "read", "write"]))
def test_a_damaged_image_ends_no_program_but_with_a_message(
    changes: list[tuple[int, int, int]], program: str
) -> None:
    data = _good()
    for at, width, value in changes:
        data[at : at + width] = bytes((value,)) * width
    words = {
        "read": ["qemu-io", "-f", "qcow2", "-r", "-c", "read 0 1M", "image"],
        "write": ["qemu-io", "-f", "qcow2", "-c", "write 0 64k", "image"],
    }.get(program, ["qemu-img", program, "-f", "qcow2", "image"])
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "image").write_bytes(data)
        (Path(folder) / "base").write_bytes(bytes(512))
        done = subprocess.run(
            [*command(words[0], "ours"), *words[1:]], cwd=folder, env=environment(),
            capture_output=True, timeout=120, preexec_fn=_limit, check=False,
        )  # fmt: skip
    assert b"Traceback" not in done.stderr, done.stderr
    assert done.returncode in (0, 1, 2, 3)
    assert done.returncode != 1 or done.stderr or done.stdout


def test_a_backing_chain_that_loops_is_refused(tmp_path: Path) -> None:
    words = ("create", "-q", "-f", "qcow2", "-u", "-F", "qcow2")
    assert run("qemu-img", "ours", *words, "-b", "b", "a", "1M", cwd=tmp_path).status == 0
    assert run("qemu-img", "ours", *words, "-b", "a", "b", "1M", cwd=tmp_path).status == 0
    for line in (("map", "a"), ("info", "--backing-chain", "a")):
        outcome = run("qemu-img", "ours", *line, cwd=tmp_path)
        assert outcome.status == 1
        assert "Traceback" not in outcome.stderr
        assert "loop" in outcome.stderr


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)  # fmt: skip


@settings(max_examples=300, deadline=None, derandomize=True)
@given(value=_JSON)
def test_json_is_read_as_it_is_written(value: object) -> None:
    assert parse(json.dumps(value)) == value


@settings(max_examples=300, deadline=None, derandomize=True)
@given(text=st.text(alphabet="{}[]'\":,\\ \nabu0-9etrufalsn", max_size=60))
def test_any_text_is_json_or_is_refused(text: str) -> None:
    with contextlib.suppress(JsonError):
        parse(text)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(data=st.data())
def test_commands_are_answered_alike_however_they_are_split(data: st.DataObject) -> None:
    text = (
        '{"execute":"qmp_capabilities"}\n{"execute":"query-status","id":"é{\\""}'
        '{\'execute\':\'foo\'} [1] {"execute": "query-block", "arguments": {}}\n'
    ).encode()
    whole = b"".join(QmpSession(Machine()).feed(text))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=6)))
    session = QmpSession(Machine())
    parts = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    assert b"".join(b"".join(session.feed(part)) for part in parts) == whole
    assert whole.count(b"\r\n") == 5


@settings(max_examples=200, deadline=None, derandomize=True)
@given(data=st.binary(max_size=80))
def test_any_bytes_leave_a_monitor_that_answers(data: bytes) -> None:
    session = QmpSession(Machine())
    for answer in session.feed(data):
        assert answer.endswith(b"\r\n")


def test_a_command_that_never_ends_does_not_fill_the_memory() -> None:
    splitter = Splitter()
    assert not list(splitter.feed(b'{"a": "'))
    for _ in range(160):
        assert not list(splitter.feed(b"x" * 100_000))
    (failure,) = splitter.feed(b"x" * 1_000_000)
    with pytest.raises(JsonError, match="JSON token size limit exceeded"):
        value_of(failure)
