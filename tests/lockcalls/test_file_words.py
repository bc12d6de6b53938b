# SPDX-License-Identifier: GPL-2.0-or-later
import pytest
from goldlock.lockcalls.file_words import LOCKS_VARIABLE, FileWord, pack, unpack
from goldlock.lockcalls.words import byte_words

SQLITE = (
    FileWord("*.db", 10, 10, "PENDING"),
    FileWord("*.db", 11, 11, "RESERVED"),
    FileWord("*.db", 12, 521, "SHARED"),
    FileWord("lock.mdb", None, None, "READER"),
    FileWord("refs/*.lock", 0, 0, "ref"),
    FileWord("*.tdb", 8, 8, "TRANSACTION"),
    FileWord("*.tdb", 9, None, "CHAINS"),
)


@pytest.mark.parametrize(
    ("path", "first", "last", "name"),
    [
        ("/a/t.db", 10, 10, "PENDING"),
        ("t.db (deleted)", 10, 10, "PENDING"),
        ("/a/t.db", 10, 11, "PENDING, RESERVED"),
        ("/a/t.db", 12, 521, "SHARED"),
        ("/a/t.db", 13, 13, "SHARED"),
        ("/a/t.db", 520, 522, ""),
        ("/a/t.db", 10, None, ""),
        ("/a/t.db.d/x", 10, 10, ""),
        ("/a/lock.mdb", 77, 77, "READER"),
        ("/a/lock.mdb", 78, 78, ""),
        ("/a/refs/x.lock", 0, 0, "ref"),
        ("/a/x.lock", 0, 0, ""),
        ("/a/t.tdb", 900, 901, "CHAINS"),
        ("/a/t.tdb", 9, None, "CHAINS"),
        ("/a/t.tdb", 8, None, "TRANSACTION, CHAINS"),
        ("/a/t.tdb", 7, None, ""),
        ("/a/t.qcow2", 101, 101, "uses write"),
    ],
)
def test_names(
    path: str, first: int, last: int | None, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(LOCKS_VARIABLE, pack(SQLITE))
    assert byte_words("qemu").name(path, first, last, pid=77) == name


def test_the_byte_that_is_a_pid() -> None:
    words = byte_words("", pack(SQLITE))
    assert words.is_pid("/a/lock.mdb", 77, 77, 77)
    assert not words.is_pid("/a/lock.mdb", 78, 78, 77)
    assert not words.is_pid("/a/t.db", 77, 77, 77)


def test_what_is_declared_is_read_back_as_it_was() -> None:
    assert [vars(word) for word in unpack(pack(SQLITE))] == [vars(word) for word in SQLITE]
    assert unpack("") == []
