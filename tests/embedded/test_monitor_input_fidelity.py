# SPDX-License-Identifier: GPL-2.0-or-later
"""What the monitors are sent wrongly, answered by our programs and by the real ones alike."""

import json
import random
import re
import subprocess
from pathlib import Path

import pytest
from goldlock.embedded.common.json_parse import parse
from goldlock.embedded.common.json_split import MAX_NESTING, JsonError
from goldlock.embedded.system.drives import Machine
from goldlock.embedded.system.qmp import QmpSession

from tests.embedded.programs import QUIET, TIME_LIMIT, command, environment, run

_CAPABILITIES = b'{"execute":"qmp_capabilities"}\n'
_QUIT = b'{"execute":"quit"}\n'


def _ask(kind: str, sent: list[bytes], cwd: Path, *words: str) -> list[str]:
    """Return what a machine monitor answers until it has quit, without the event of its end."""
    process = subprocess.Popen(
        [*command("qemu-system-x86_64", kind), *QUIET, *words, "-qmp", "stdio"], cwd=cwd,
        env=environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        assert process.stdin is not None
        for piece in sent:
            process.stdin.write(piece)
            process.stdin.flush()
        stdout, stderr = process.communicate(timeout=TIME_LIMIT)
    finally:
        process.kill()  # only where it has not come to its end is it still there
    assert process.returncode == 0, stderr
    lines = stdout.decode("utf-8").split("\r\n")
    # The real one sends the event before or after the answer to `quit`.
    return [line for line in lines[1:] if '"SHUTDOWN"' not in line]


def _alike(bad: bytes, cwd: Path) -> list[str]:
    data = _CAPABILITIES + bad + _QUIT
    real = _ask("real", [data], cwd)
    assert _ask("ours", [data], cwd) == real
    return real


_STATUS = '{"return": {"status": "running", "singlestep": false, "running": true}'
_ASK = b'{"execute":"query-status","id":1}\n'


@pytest.mark.real
@pytest.mark.parametrize(
    "bad",
    [
        b'{"bad json\n' + _ASK,
        b'5\n{"execute":"query-status"}\n"x"\n' + _ASK,
    ],
)
def test_no_command_is_lost_after_bad_json_however_it_is_split(bad: bytes, tmp_path: Path) -> None:
    real = _alike(bad, tmp_path)
    assert real[-3].startswith(_STATUS)  # the answer to _ASK; then that to quit, and the end
    data = _CAPABILITIES + bad + _QUIT
    pieces = [data[at : at + 1] for at in range(len(data))]
    assert _ask("real", pieces, tmp_path) == real
    assert _ask("ours", pieces, tmp_path) == real


_BAD = {
    "bad UTF-8": b'{"execute":"\xff\xfe"}',
    "half a character": b'{"execute":"\xe2\x82"}',
    "a surrogate in UTF-8": b'{"execute":"\xed\xa0\x80"}',
    "U+0000 in two bytes": b'{"execute":"\xc0\x80"}',
    "a byte order mark": b"\xef\xbb\xbf",
    "NUL": b"\0\0",
    "NUL in a string": b'{"execute":"a\0b"}',
    "NUL in an array": b"[\0",
    "CRLF": b'{"execute":\r\n"query-status"}\r\n\r\n',
    "form feed": b'{"execute":"query-status","id":\f7}',
    "a tab in a string": b'"a\tb"',
    "a newline after a backslash": b'"a\\\n',
    "a closing bracket": b"]",
    "a closing brace": b"}\n",
    "crossed brackets": b"[}]{]}",
    "scalars in a row": b"5 true\"x\"'y'null",
    "colon and comma": b":,",
    "numbers that are none": b"01 1. - 1x 1.5e NaN",
    "large numbers": b'{"execute":"query-status","id":[-0,18446744073709551616,1e5,0.1]}',
    "unknown words": b"nul #abc @ %d {A}",
    "object without values": b'{"a"}{"a":}{"a":1,}{,}{1:2}{"a" 1}{"a":1 "b":2}',
    "array without values": b"[1,][,][1 2]",
    "duplicate key": b'{"a":1,"a":2}',
    "bad escapes": b'["\\q"]["\\u12"]["\\ud800"]["\\ud83d\\u0041"]["\\ufffe"]',
    "good escapes": b'{"execute":"\\u0041\\u00e9\\ud83d\\ude00\\\'\\/"}',
    "as deep as may be": b'{"execute":"query-status","id":' + b"[" * 1023 + b"]" * 1023 + b"}",
    "too deep": b"[" * (MAX_NESTING + 1),
    "far too deep": b"[" * (4 * MAX_NESTING + 4),
    # No longer than a pipe: QEMU ends at `quit` though part of an answer may not have gone out.
    "a long string": b'{"execute":"' + b"X" * 30_000 + b'"}',
    "a long word": b"x" * 3000,
}


@pytest.mark.real
@pytest.mark.parametrize("name", _BAD)
def test_bad_input_is_answered_as_by_the_real_monitor(name: str, tmp_path: Path) -> None:
    real = _alike(_BAD[name] + b"\n" + _ASK, tmp_path)
    assert real[-3].startswith(_STATUS)


_PIECES = [
    b"{", b"}", b"[", b"]", b'"', b"'", b":", b",", b"\\", b"\n", b" ", b"\t", b"\0", b"\xff",
    "é".encode(), b"\xe2\x82", "😀".encode(), b"\xef\xbf\xbe", b"\xc0\x80", b"\xfc\x80\x80",
    b"\x7f", b"true", b"nul", b"1", b"0", b"-", b".5", b"e3", b"+", b"%", b"A", b"\r\n",
    b'{"execute":"query-status","id":', b'"a":', b'"execute":"x"', b'"k"', b"\\u00e9",
    b"\\ud83d", b"\\ude00", b"\\q", b'{"id":1.5,"execute":"query-status"}',
]  # fmt: skip


@pytest.mark.real
@pytest.mark.parametrize("seed", range(4))
def test_any_tokens_are_answered_as_by_the_real_monitor(seed: int, tmp_path: Path) -> None:
    chosen = random.Random(seed)
    text = b"".join(chosen.choice(_PIECES) for _ in range(1500))
    # What is impossible in UTF-8, then a bracket too many, end whatever is open.
    data = _CAPABILITIES + text + b"\xff]\n" + _QUIT
    real, ours = (_ask(kind, [data], tmp_path) for kind in ("real", "ours"))
    assert len(real) > 300
    assert _values(ours) == _values(real)


def _values(lines: list[str]) -> list[object]:
    """Return what the lines say; the members of an `id` come back in the order of QEMU's hashes."""
    return [json.loads(line, parse_float=str, parse_int=str) for line in lines if line]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('{"bad\n', "JSON parse error, stray '\"bad\n'"),
        ('{"a": 1', "JSON parse error, premature EOI"),
        ("", "Expecting a JSON value"),
        ("1 2", "Expecting at most one JSON value"),
        ("[" * 2000, "JSON nesting depth limit exceeded"),
    ],
)
def test_text_with_no_value_is_refused_with_the_reason(text: str, why: str) -> None:
    with pytest.raises(JsonError) as failure:
        parse(text)
    assert str(failure.value) == why


def test_a_command_after_bad_json_is_answered_without_the_real_one() -> None:
    answers = b"".join(QmpSession(Machine()).feed(b'{"bad json\n\n5\n' + _CAPABILITIES)).decode()
    assert re.findall('"desc": "(.*)"}}|("return")', answers) == [
        (r"JSON parse error, stray '\"bad json\n'", ""),
        ("QMP input must be a JSON object", ""),
        ("", '"return"'),
    ]


_NBD = [
    {"type": "unix", "data": {"path": "/nonexist/x"}},
    {"type": "unix", "data": {"path": "folder"}},
    {"type": "unix", "data": {"path": "raw/x"}},
    {"type": "unix", "data": {"path": "x" * 200}},
    {"type": "unix", "data": {"path": 5}},
    {"type": "unix", "data": {"path": "x", "foo": 1}},
    {"type": "unix", "data": {}},
    {"type": "unix", "data": 5},
    {"type": "unix"},
    {"type": "x", "data": {}},
    {"data": {}},
]


@pytest.mark.real
def test_an_address_that_cannot_be_served_is_refused_alike(images: Path) -> None:
    (images / "folder").mkdir()
    commands = [{"execute": "nbd-server-start", "arguments": {"addr": addr}} for addr in _NBD]
    real = _alike("\n".join(map(json.dumps, commands)).encode() + b"\n", images)
    assert [line for line in real if '"error"' not in line] == ['{"return": {}}'] * 2 + [""]


_TYPED = [
    "drive_del", "  drive_del   ", "drive_del nope", "drive_del d0 d1", 'drive_del "d0',
    'drive_del "no pe"', r'drive_del "a\n\"b"', r'drive_del "a\q"', "drive_del x\\", "drive_delX",
    "drive_add", "drive_add 0", "drive_add -n", "drive_add -n 0", "drive_add -x 0 if=none",
    "drive_add 0 if=none a", "drive_add 0 if=none,id=q b c", 'drive_add "0',
    'drive_add 0 "if=none,id=q" x', 'drive_add 0 "if=none,id=q"', "info nOpe", "info block nope",
    "info block -z", "info block d0 x y", "info status", "info  status x",
    "info nAme x", "Help nope", "X" * 5000, "?? quit",
    "Nope x",
    "", "   ", "/x 1", "quit/", "#x", "quit now", "q 1", 'quit "', "drive_del d0",
]  # fmt: skip


@pytest.mark.real
def test_a_typed_line_is_answered_as_by_the_real_monitor(images: Path) -> None:
    lines = [
        {"execute": "human-monitor-command", "arguments": {"command-line": line}} for line in _TYPED
    ]
    data = _CAPABILITIES + "\n".join(map(json.dumps, lines)).encode() + b"\n" + _QUIT
    real, ours = (
        _ask(kind, [data], images, "-drive", "if=none,id=d0,file=t") for kind in ("real", "ours")
    )
    assert ours == real
    assert sum("extraneous" in line for line in real) == 10
    assert sum("block device name expected" in line for line in real) == 4


@pytest.mark.real
@pytest.mark.parametrize(
    "typed",
    [
        b"quit now\n",
        b"\xff\xfe\xe2\x82\n",
        "é\n".encode(),
        b"A\0B\n",
        b"ab\x08\x7f\x08\x08ZZ\r\n",
        b'drive_del "x\n',
    ],
)
def test_the_human_monitor_shows_what_is_typed_as_the_real_one(
    typed: bytes, tmp_path: Path
) -> None:
    real, ours = (
        subprocess.run(
            [*command("qemu-system-x86_64", kind), *QUIET, "-monitor", "stdio"], cwd=tmp_path,
            input=typed + b"quit\n", env=environment(), capture_output=True, timeout=TIME_LIMIT,
            check=True,
        ).stdout
        for kind in ("real", "ours")
    )  # fmt: skip
    assert ours.partition(b"(qemu)")[1:] == real.partition(b"(qemu)")[1:]


@pytest.mark.real
@pytest.mark.parametrize(
    "where", ["/nonexist/x,server=on", "folder,server=on", "long,server=on", "/nonexist/x", "long"]
)
def test_a_socket_that_cannot_be_had_is_refused_alike(where: str, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    words = (*QUIET, "-qmp", "unix:" + where.replace("long", "x" * 200))
    outcome = run("qemu-system-x86_64", "ours", *words, cwd=tmp_path)
    assert outcome == run("qemu-system-x86_64", "real", *words, cwd=tmp_path)
    assert outcome.status == 1
