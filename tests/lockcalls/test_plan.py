# SPDX-License-Identifier: GPL-2.0-or-later
import errno
from errno import EINTR, EINVAL, EIO, ENOLCK
from pathlib import Path

import pytest
from goldlock.kits.qemu.bytes import WORDS
from goldlock.lockcalls import PAUSED
from goldlock.lockcalls.file_words import unpack
from goldlock.lockcalls.plan import ALWAYS, Fault, absolute, parse_plan
from goldlock.lockcalls.plan_calls import CALLS
from goldlock.lockcalls.plan_line import PlanError
from goldlock.lockcalls.words import NO_WORDS, ByteWords
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("lock 100 fails with ENOLCK", Fault("lock", ENOLCK, 100)),
        ("lock byte 100 fails with ENOLCK once", Fault("lock", ENOLCK, 100, times=1)),
        ("lock uses consistent read fails with EIO", Fault("lock", EIO, 100)),
        ("lock uses write fails with EIO", Fault("lock", EIO, 101)),
        ("lock uses write unchanged fails with EIO", Fault("lock", EIO, 102)),
        ('test unshares "write unchanged" fails with EIO', Fault("test", EIO, 202)),
        ("test unshares resize of t.qcow2 fails with EIO", Fault("test", EIO, 203, "t.qcow2")),
        ('unlock any of "my disk" fails with EIO', Fault("unlock", EIO, image="my disk")),
        ("unlock any byte by qemu-io fails with EIO", Fault("unlock", EIO, program="qemu-io")),
        ("probe fails with EINVAL  # no OFD locks", Fault("probe", EINVAL)),
        ("lock any fails with EIO from call 3 2 times", Fault("lock", EIO, nth=3, times=2)),
        ("lock any fails with EINTR once", Fault("lock", EINTR, times=1)),
        ("lock any fails with EINTR always", Fault("lock", EINTR, times=ALWAYS)),
        ("lock any of of by by fails with EIO", Fault("lock", EIO, image="of", program="by")),
        ("lock any fails with EWOULDBLOCK", Fault("lock", errno.EAGAIN)),
        ("lock 120-127 fails with EIO", Fault("lock", EIO, (120, 127))),
        ("lock 7- of t.db fails with EIO", Fault("lock", EIO, (7, None), "t.db")),
        ("test all of f fails with EIO", Fault("test", EIO, (0, None), "f")),
        ("lock covering 0-9 fails with EIO", Fault("lock", EIO, (0, 9))),
        ("lock some of 8- fails with EIO", Fault("lock", EIO, (8, None), part=True)),
        ("lock exactly 7 fails with EIO", Fault("lock", EIO, 7, exactly=True)),
        ("lock exactly 0-9 fails with EIO", Fault("lock", EIO, (0, 9), exactly=True)),
        ("lock 7 fails with EIO may miss", Fault("lock", EIO, 7, may_miss=True)),
        ("lock 7 fails with EIO once may miss", Fault("lock", EIO, 7, times=1, may_miss=True)),
        ("flock fails with EIO", Fault("flock", EIO)),
        ("flock f fails with EIO", Fault("flock", EIO, image="f")),
        ("flock of f by git fails with EIO", Fault("flock", EIO, image="f", program="git")),
        ('flock "of" fails with EIO', Fault("flock", EIO, image="of")),
        ("flock unlock f fails with EIO", Fault("flock unlock", EIO, image="f")),
        ("flock unlock by git fails with EIO", Fault("flock unlock", EIO, program="git")),
        ('flock "unlock" fails with EIO', Fault("flock", EIO, image="unlock")),
        ("lease f fails with EAGAIN", Fault("lease", errno.EAGAIN, image="f")),
        ("lease unlock fails with EIO", Fault("lease unlock", EIO)),
        (
            "create .git/index.lock fails with EEXIST once",
            Fault("create", errno.EEXIST, image=".git/index.lock", times=1),
        ),
        ("create fails with EIO", Fault("create", EIO)),
        ("mkdir of x by sh fails with EIO", Fault("mkdir", EIO, image="x", program="sh")),
        ("rename a to b fails with EIO", Fault("rename", EIO, image="a", to="b")),
        ("rename to b fails with EIO", Fault("rename", EIO, to="b")),
        ("link a fails with EIO", Fault("link", EIO, image="a")),
        ('link "to" to to fails with EIO', Fault("link", EIO, image="to", to="to")),
        ("symlink s fails with EIO", Fault("symlink", EIO, image="s")),
        ("unlink u fails with EIO", Fault("unlink", EIO, image="u")),
        ("rmdir r fails with EIO", Fault("rmdir", EIO, image="r")),
        ("lock 1 is delayed for 200 ms", Fault("lock", 0, 1, delay=200)),
        ("lock 1 is paused", Fault("lock", 0, 1, delay=PAUSED)),
        ("flock is delayed for 2 s once", Fault("flock", 0, times=1, delay=2000)),
    ],
)
def test_line(line: str, fault: Fault) -> None:
    assert parse_plan(line, WORDS) == (fault,)


def test_several_lines() -> None:
    plan = "# before\n\nlock 100 fails with EIO\n  unlock any fails with EIO # after\n"
    assert parse_plan(plan) == (Fault("lock", EIO, 100), Fault("unlock", EIO))


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        ("lok 100", "1:1: lok: expected a call: lock, unlock, test, probe, flock, lease, "),
        ("\n lock", "2:6: end of line: expected a byte: "),
        ("lock x", "1:6: x: expected a byte: a number, "),
        ("lock byte x", "1:11: x: expected a byte: a number from 0"),
        ("lock byte ²", "1:11: ²: expected a byte: a number from 0"),
        ("lock 9-7", "1:6: 9-7: the last byte comes before the first"),
        ("lock 9-x", "1:6: 9-x: expected a byte: a number, a range"),
        ("lock 0-9223372036854775808", "1:6: 0-9223372036854775808: expected a byte: a number up"),
        ("lock exactly any", "1:14: any: expected a byte: "),
        ("lock 1 fails with EIO may", '1:26: end of line: expected "miss"'),
        ("probe of f fails with EIO", "1:7: of: a probe is of /dev/null, never of an image"),
        (
            "flock 1 of f",
            '1:9: of: expected "fails with" and an errno, or "is delayed for" and a time',
        ),
        ("lock uses read", "1:11: read: expected consistent read, write, write unchanged, resize"),
        ("lock uses consistent", "1:21: end of line: expected read"),
        ("lock 1 of", "1:10: end of line: expected the path of an image"),
        ("lock 1 by", "1:10: end of line: expected the name of a program"),
        (
            "lock 1 ENOLCK",
            '1:8: ENOLCK: expected "fails with" and an errno, or "is delayed for" and a time',
        ),
        ("lock 1 fails ENOLCK", '1:14: ENOLCK: expected "with" and an errno'),
        ("lock 1 fails with enolck", "1:19: enolck: not the name of an errno: is it ENOLCK?"),
        ("lock 1 fails with 37", "1:19: 37: not the name of an errno"),
        ("lock 1 fails with EIO from 3", '1:28: 3: expected "call" and a number'),
        (
            "lock 1 fails with EIO from call 0",
            "1:33: 0: expected the first call that it is about: ",
        ),
        ("lock 9223372036854775808", "1:6: 9223372036854775808: expected a byte: a number up to"),
        (f"lock {'1' * 5000}", f"1:6: {'1' * 5000}: expected a byte: a number up to"),
        ("lock 1 fails with EIO 0 times", "1:23: 0: expected how often: a number from 1"),
        ("lock 1 fails with EIO 2", '1:24: end of line: expected "times"'),
        ("lock 1 fails with EIO twice", '1:23: twice: expected "from call N", "once", '),
        ("lock 1 fails with EIO once more", "1:28: more: nothing may follow here"),
        ("lock 1 fails with EINTR", "1:24: end of line: EINTR every time: "),
        ("lock 1 is", '1:10: end of line: expected "paused", or "delayed for" and a time'),
        ("lock 1 is delayed for ever", "1:23: ever: expected how long, such as 200 ms: a number"),
        ("lock 1 is delayed for 2 h", '1:25: h: expected "ms" or "s"'),
        ("lock 1 is delayed for 3601 s", "1:29: end of line: no more than 3600 s"),
        ("lock 1 by a/b", "1:11: a/b: the name of a program, not a path: it has no slash"),
        ('lock 1 by ""', '1:11: "": a program without a name makes no calls'),
        ('create ""', '1:8: "": an empty path leads nowhere'),
        ("create a/" + "b" * 256, f"1:8: a/{'b' * 256}: no file can have a name that long"),
        ("create a to b", "1:10: to: create has one name"),
        ("rename a to", "1:12: end of line: expected the new path"),
        (
            "create 1 2",
            '1:10: 2: expected "fails with" and an errno, or "is delayed for" and a time',
        ),
        ('lock 1 of "t', '1:11: "\\"": a quote that is not closed'),
        (
            "probe 100 fails with EIO",
            '1:7: 100: expected "fails with" and an errno, or "is delayed for" and a time',
        ),
    ],
)
def test_error_points_to_the_word(plan: str, message: str) -> None:
    with pytest.raises(PlanError) as caught:
        parse_plan(plan, WORDS)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


DECLARED = ByteWords(
    {7: "SEVENTH"},
    {},
    unpack(
        "*.db\t100-100\tPENDING\n*.db\t102-611\tSHARED\n"
        "*.shm\t120-120\tPENDING\nl.mdb\tpid\tREADER LOCK"
    ),
)


@pytest.mark.parametrize(
    ("line", "same"),
    [
        ("lock PENDING of /x/t.db", "lock 100 of /x/t.db"),
        ("lock exactly SHARED of t.db", "lock exactly 102-611 of t.db"),
        ("lock covering SHARED of t.db", "lock 102-611 of t.db"),
        ("lock SHARED", "lock some of 102-611"),
        ("lock PENDING of t.shm", "lock 120 of t.shm"),
        ("lock SEVENTH of t.shm", "lock 7 of t.shm"),
    ],
)
def test_words_of_a_suite(line: str, same: str) -> None:
    (fault,) = parse_plan(f"{line} fails with EIO", DECLARED)
    assert str(fault) == f"{same} fails with EIO"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("lock PENDING", "1:6: PENDING: of which file? *.db, *.shm have it, of different bytes"),
        ("lock SHARED of t.shm", "1:6: SHARED: it is the name of a byte of *.db"),
        ("lock READER LOCK", "1:6: READER: this byte is the pid of who locks it: say any byte"),
        (
            "lock RESERVED",
            '1:6: RESERVED: expected a byte: a number, a range, "all", "any", '
            'PENDING, SHARED, "READER ...", SEVENTH',
        ),
    ],
)
def test_word_that_no_file_has(line: str, message: str) -> None:
    with pytest.raises(PlanError) as caught:
        parse_plan(f"{line} fails with EIO", DECLARED)
    assert str(caught.value) == message


def test_without_a_kit_there_are_no_words() -> None:
    with pytest.raises(
        PlanError,
        match=r"^1:6: uses: .* a suite or a kit: add --suite DIR or --kit qemu\b",
    ):
        parse_plan("lock uses write fails with EIO", NO_WORDS)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"call": "open"}, 'no call "open"'),
        ({"call": "create", "byte": 1}, "a create has no byte 1"),
        ({"call": "create", "to": "x"}, "create has one name"),
        ({"call": "create", "image": "a\0b"}, "a path has no NUL"),
        ({"program": "a/b"}, "a/b: the name of a program, not a path"),
        ({"errno": 0}, "no errno 0"),
        ({"byte": -1}, "a lock has no byte -1"),
        ({"byte": 2**63}, "a lock has no byte 9223372036854775808"),
        ({"byte": (3, 2)}, "a lock has no byte"),
        ({"exactly": True}, "any byte, and exactly: which"),
        ({"nth": 2**63}, "calls are counted from 1"),
        ({"call": "probe", "byte": 100}, "a probe has no byte 100"),
        ({"call": "probe", "image": "f"}, "a probe is of /dev/null"),
        ({"call": "flock", "byte": 100}, "a flock has no byte 100"),
        ({"delay": 1}, "a delay is of 1 to 3600000 ms, and has no errno"),
        ({"nth": 0}, "calls are counted from 1"),
        ({"times": 0}, "calls are counted from 1"),
        ({"errno": EINTR}, "EINTR every time"),
    ],
)
def test_field_out_of_range(fields: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Fault(**{"call": "lock", "errno": EIO, **fields})  # type: ignore[arg-type]


characters = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
names = st.text(characters, min_size=1, max_size=50)
programs = names.filter(lambda name: "/" not in name)


# The fields of a fault, each of its own kind:
# ruff: noqa: PLR0917


@given(
    call=st.sampled_from(CALLS),
    code=st.sampled_from(sorted(set(errno.errorcode) - {EINTR})),
    byte=st.none()
    | st.tuples(st.integers(0, 9), st.none() | st.integers(10, 2**63 - 1))
    | st.integers(0, 2**63 - 1),
    image=st.none() | names,
    program=st.none() | programs,
    to=st.none() | names,
    nth=st.integers(1, 99),
    times=st.none() | st.integers(1, 99) | st.just(ALWAYS),
    flags=st.tuples(st.booleans(), st.booleans(), st.booleans()),
)
def test_text_reads_back(call, code, byte, image, program, to, nth, times, flags) -> None:  # type: ignore[no-untyped-def]
    where = byte if call in ("lock", "unlock", "test") else None
    exactly = flags[0] and where is not None
    image = image if call != "probe" else None
    to = to if call in ("link", "rename") else None
    code, delay = (0, nth) if flags[2] else (code, 0)
    fault = Fault(call, code, where, image, program, nth, times, exactly, flags[1], to, delay)
    assert parse_plan(str(fault)) == (fault,)


def test_absolute() -> None:
    fault = Fault("lock", EIO, 100, "t.qcow2", "qemu-io", 2, 3)
    there = str(Path.cwd() / "t.qcow2")
    assert absolute(fault) == Fault("lock", EIO, 100, there, "qemu-io", 2, 3)
    renames = Fault("rename", EIO, image="a", to="/b/../c")
    assert absolute(renames) == Fault("rename", EIO, image=str(Path.cwd() / "a"), to="/c")
    assert absolute(Fault("lock", EIO)) == Fault("lock", EIO)
