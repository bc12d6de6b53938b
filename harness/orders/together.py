# SPDX-License-Identifier: GPL-2.0-or-later
"""What shards have found, put together from what each has written."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from goldlock.orders.history import parse_order
from goldlock.text import count

_OUTCOME = re.compile(r"^outcome \d+(.*)\n((?:.*\n)*?)  order: (.*) \((\d+) (.*\n(?:.+\n)*)", re.M)
_CLAIM = re.compile(r"^\d+ outcomes?, (.*) of shard (\d+) of (\d+)(.*)$", re.M)


class TogetherError(Exception):
    """They do not belong together; str() says why."""


class _Outcome(NamedTuple):
    """An outcome as it was written: *mark* is behind its number, *rest* its order in words."""

    mark: str
    text: str
    order: str
    switches: int
    rest: str

    def length(self) -> tuple[int, list[str]]:
        """Return what is less for what is shown first, as of all that one has found."""
        return self.switches, [] if self.order == "none" else parse_order(self.order)


class Together(NamedTuple):
    """All that was found, as text, and whether it has what must not be."""

    text: str
    is_bad: bool


def together(texts: Sequence[tuple[str, str]]) -> Together:
    """Put together what shards have written: texts, each with a name; raise TogetherError."""
    found: dict[str, _Outcome] = {}
    for _, text in texts:
        for mark, what, order, switches, rest in _OUTCOME.findall(text):
            new = _Outcome(mark, what, order, int(switches), rest)
            found[what] = min(found.get(what, new), new, key=_Outcome.length)
    lines = [f"{_head(texts)}\n\n"]
    outcomes = sorted(found.values(), key=lambda each: (*each.length(), each.text))
    for number, each in enumerate(outcomes, 1):
        order = f"  order: {each.order} ({each.switches} {each.rest}"
        lines.append(f"outcome {number}{each.mark}\n{each.text}{order}\n")
    lines.append(f"{count(len(outcomes), 'outcome')}, {'; '.join(_claims(texts))}\n")
    bad = any(each.mark for each in outcomes)
    return Together("".join(lines), bad)


def _head(texts: Sequence[tuple[str, str]]) -> str:
    """Return the programs, which are the same in all."""
    heads = [text.partition("\n\n")[0] for _, text in texts]
    for (name, _), head in zip(texts, heads, strict=True):
        if head != heads[0]:
            raise TogetherError(f"{name}: other programs than in {texts[0][0]}")
    return heads[0]


def _claims(texts: Sequence[tuple[str, str]]) -> list[str]:
    """Return of which orders the outcomes are, if that are all parts."""
    claims: list[str] = []
    parts: dict[int, str] = {}
    number = 0
    for name, text in texts:
        claim = _CLAIM.search(text)
        if not claim:
            raise TogetherError(f"{name}: not of a shard")
        before, index, number_now, after = claim.groups()
        number = number or int(number_now)
        if int(number_now) != number:
            raise TogetherError(f"{name}: of {number_now} shards, not of {number}")
        if int(index) in parts:
            raise TogetherError(f"{name}: shard {index} as {parts[int(index)]} is")
        parts[int(index)] = name
        if before + after not in claims:
            claims.append(before + after)
    if left := [str(index) for index in range(1, number + 1) if index not in parts]:
        raise TogetherError(f"of {number} shards, {' '.join(left)} left out")
    return claims
