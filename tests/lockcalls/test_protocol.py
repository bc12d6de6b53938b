# SPDX-License-Identifier: GPL-2.0-or-later
import pytest
from goldlock.lockcalls.protocol import PERMISSIONS, quote, unshares, uses, words


def test_bytes_and_words_are_inverse() -> None:
    assert [uses(name) for name in PERMISSIONS] == [100, 101, 102, 103]
    assert [unshares(name) for name in PERMISSIONS] == [200, 201, 202, 203]
    assert words(103) == "uses resize"
    assert words(200) == "unshares consistent read"
    assert [words(byte) for byte in (0, 99, 104, 199, 204)] == [""] * 5


def test_unknown_permission() -> None:
    with pytest.raises(ValueError, match=r'^no permission "read": there are consistent read, '):
        uses("read")


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        ("t.qcow2", "t.qcow2"),
        ("", '""'),
        ("a b", '"a b"'),
        ('a"b\\c', r'"a\"b\\c"'),
        ("a\nb", r'"a\nb"'),
        ("a#b", '"a#b"'),
    ],
)
def test_quote(text: str, quoted: str) -> None:
    assert quote(text) == quoted
