# SPDX-License-Identifier: GPL-2.0-or-later
import pytest
from goldlock.lockcalls.words import KIT_VARIABLE, NO_WORDS, byte_words, quote


def test_words_of_the_kit_that_the_environment_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(KIT_VARIABLE, raising=False)
    assert byte_words() is NO_WORDS
    monkeypatch.setenv(KIT_VARIABLE, "qemu")
    assert byte_words().names[101] == "uses write"
    with pytest.raises(ValueError, match=r"^no kit has the name sqlite$"):
        byte_words("sqlite")


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
