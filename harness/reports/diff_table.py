# SPDX-License-Identifier: GPL-2.0-or-later
"""A difference as a table: the golden on the left, the output on the right."""

from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from html import escape
from itertools import groupby, zip_longest

from goldlock.result import Row

_DIFFERENCE_LIMIT = 100_000
"""Product of the lengths of two lines, past which only their common ends are told apart."""


def table(rows: Sequence[Row]) -> str:
    """Return the table of a difference; lines that stand side by side have their changes marked."""
    lines = ['<table class="difference">']
    lines.append('<tr><th></th><th scope="col">golden</th><th scope="col">output</th></tr>')
    for changed, group in groupby(rows, lambda row: row[0] in {"-", "+", "?"}):
        together = [*group]
        lines += _changed(together) if changed else map(_same, together)
    return "\n".join([*lines, "</table>"])


def _same(row: Row) -> str:
    mark, number, text = row
    if mark == ".":
        return '<tr class="gap"><td></td><td colspan="2">⋯</td></tr>'
    text = escape(text)
    return f'<tr class="same"><td>{number}</td><td>{text}</td><td class="again">{text}</td></tr>'


def _changed(rows: Sequence[Row]) -> Iterator[str]:
    """Yield lines that were changed: the golden's beside the output's, then notes about them."""
    old = [(number, text) for mark, number, text in rows if mark == "-"]
    new = [text for mark, _, text in rows if mark == "+"]
    notes = [text for mark, _, text in rows if mark == "?" and not _is_carets(text)]
    for left, right in zip_longest(old, new):
        number, a = left or ("", None)
        if a is None or right is None:
            yield _row(number, _cell("del", a), _cell("ins", right))
        else:
            was, became = marked(a, right)
            yield _row(number, f'<td class="del">{was}</td>', f'<td class="ins">{became}</td>')
    for note in notes:
        yield f'<tr class="note"><td></td><td colspan="2">{escape(note)}</td></tr>'


def _is_carets(text: str) -> bool:
    """Tell whether a note only marks characters, as is done here in another way."""
    return not text.strip(" ^")


def _row(number: int | str | None, left: str, right: str) -> str:
    return f"<tr><td>{number or ''}</td>{left}{right}</tr>"


def _cell(kind: str, text: str | None) -> str:
    return '<td class="none"></td>' if text is None else f'<td class="{kind}">{escape(text)}</td>'


def marked(a: str, b: str) -> tuple[str, str]:
    """Return two lines as HTML, with what differs between them in ``<b>``; as text if most does."""
    spans = _spans(a, b)
    if spans is None:
        return escape(a), escape(b)
    was = became = ""
    for equal, (start, stop), (first, last) in spans:
        was += escape(a[start:stop]) if equal else _bold(a[start:stop])
        became += escape(b[first:last]) if equal else _bold(b[first:last])
    return was, became


_Spans = list[tuple[bool, tuple[int, int], tuple[int, int]]]


def _spans(a: str, b: str) -> _Spans | None:
    if len(a) * len(b) > _DIFFERENCE_LIMIT:
        return _common_ends(a, b)
    matcher = SequenceMatcher(None, a, b, autojunk=False)
    if matcher.ratio() < 0.5:
        return None
    return [(tag == "equal", (i, j), (k, m)) for tag, i, j, k, m in matcher.get_opcodes()]


def _common_ends(a: str, b: str) -> _Spans:
    shortest = min(len(a), len(b))
    head = next((i for i in range(shortest) if a[i] != b[i]), shortest)
    tail = next((i for i in range(shortest - head) if a[-1 - i] != b[-1 - i]), shortest - head)
    return [
        (True, (0, head), (0, head)),
        (False, (head, len(a) - tail), (head, len(b) - tail)),
        (True, (len(a) - tail, len(a)), (len(b) - tail, len(b))),
    ]


def _bold(text: str) -> str:
    return f"<b>{escape(text)}</b>" if text else ""
