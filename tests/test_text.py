# SPDX-License-Identifier: GPL-2.0-or-later
"""Text for its readers: nothing that a program printed acts on them."""

import json
import re
from xml.etree import ElementTree as ET

import pytest
from goldlock import text
from hypothesis import given
from hypothesis import strategies as st

ANYTHING = st.text(st.characters(), max_size=30)
"""Any text, with bytes that are not UTF-8."""
READERS = [text.printable, text.for_terminal, text.for_xml, text.for_html, text.for_tap]


@given(ANYTHING)
def test_nothing_acts_on_a_terminal(given_text: str) -> None:
    assert text.printable(given_text).replace("\t", "").isprintable()
    for line in text.for_terminal(given_text).split("\n"):
        assert line.replace("\t", "").isprintable()


@given(ANYTHING)
def test_to_do_it_again_changes_nothing(given_text: str) -> None:
    assert text.printable(text.printable(given_text)) == text.printable(given_text)
    assert text.for_terminal(text.for_terminal(given_text)) == text.for_terminal(given_text)


@given(ANYTHING)
def test_any_reader_gets_utf_8(given_text: str) -> None:
    for reader in (*READERS, text.for_github, text.for_github_property):
        reader(given_text).encode()


@given(ANYTHING)
def test_xml_can_be_read_again(given_text: str) -> None:
    element = ET.Element("e", a=text.for_xml(given_text))
    element.text = text.for_xml(given_text)
    again = ET.fromstring(ET.tostring(element, "unicode"))
    assert (again.text or "") == again.attrib["a"] == text.for_xml(given_text)


@given(ANYTHING)
def test_a_command_of_github_ends_where_it_should(given_text: str) -> None:
    assert "\n" not in text.for_github(given_text)
    assert not {*":,\n"} & {*text.for_github_property(given_text)}


@given(ANYTHING)
def test_a_description_of_tap_is_one_line_without_a_directive(given_text: str) -> None:
    said = text.for_tap(given_text)
    assert "\n" not in said
    assert not re.search(r"(?<!\\)(\\\\)*#", said)


@pytest.mark.parametrize(
    ("given_text", "said"),
    [
        ("a\x1b[31m\x00\x7f\x9b", r"a\x1b[31m\x00\x7f\x9b"),
        ("\udcff\u202e\u2028\n", r"\xff\u202e\u2028\n"),
        ("tab\tstays, ümläuts and 😀, too", "tab\tstays, ümläuts and 😀, too"),
    ],
)
def test_what_it_looks_like(given_text: str, said: str) -> None:
    assert text.printable(given_text) == said
    json.dumps(said)


def test_a_heading_is_one_by_one_rule() -> None:
    assert text.heading("== A ==") == text.heading("=== A ===") == "A"
    for line in ("== A ===", "= A =", "==A==", "a == A ==", "== A", "==  =="):
        assert not text.heading(line)
