# SPDX-License-Identifier: GPL-2.0-or-later
import pytest
from goldlock.kits.qemu.bytes import PERMISSIONS, WORDS, unshares, uses


def test_bytes_and_words_are_inverse() -> None:
    assert [uses(name) for name in PERMISSIONS] == [*range(100, 105)]
    assert [unshares(name) for name in PERMISSIONS] == [*range(200, 205)]
    assert WORDS.names[103] == "uses resize"
    assert WORDS.names[200] == "unshares consistent read"
    assert WORDS.names[204] == "unshares change children"
    assert WORDS.meanings[103] == "it may resize"
    assert WORDS.meanings[200] == "nobody else may read consistently"
    assert {*WORDS.names} == {*WORDS.meanings} == {*range(100, 105), *range(200, 205)}


def test_unknown_permission() -> None:
    with pytest.raises(ValueError, match=r'^no permission "read": there are consistent read, '):
        uses("read")
