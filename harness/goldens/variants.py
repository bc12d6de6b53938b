# SPDX-License-Identifier: GPL-2.0-or-later
"""A golden and its variants: which sections count for programs with certain traits.

``expected/NUMBER.out`` is whole. A variant, ``expected/NUMBER.TRAIT.out``, has the sections that
differ from it for programs with that trait, and nothing else: for each section, the first trait
counts whose variant has it. Where a heading stands more than once, a variant has all of its
sections or none. A section that the golden does not have follows the one before it in the variant.
"""

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from goldlock.goldens import golden
from goldlock.goldens.compare import OWN, Reading
from goldlock.goldens.golden import GoldenError
from goldlock.text import sections


class Block(NamedTuple):
    """A section of a file: its lines, the first of which has number *first* there, from 1."""

    title: str
    """Its heading, without a count."""
    path: Path
    first: int
    lines: list[str]


@dataclass(slots=True)
class Golden:
    """What a case is held against: sections, the first of which may be without a heading.

    *path* is the file that an update writes: the first variant that counts, or that was asked
    for, else the golden. *base* are the sections that count without that variant. *stale* are
    sections of variants that are as they would be without them.
    """

    path: Path
    blocks: list[Block]
    base: list[Block] | None = None
    stale: Sequence[Block] = ()
    reading: Reading = OWN
    lines: list[str] = field(init=False)

    def __post_init__(self) -> None:
        self.lines = [line for block in self.blocks for line in block.lines]

    def place(self, line: int) -> tuple[Path, int]:
        """Return the file and the number there, from 1, of a line that is counted from 0."""
        rest = line
        for block in self.blocks:
            if rest < len(block.lines):
                return block.path, block.first + rest
            rest -= len(block.lines)
        return self.path, max(len(self.lines), 1)

    def text(self, output: str) -> str:
        """Return what the file at *path* has to be for *output* to be as in the golden.

        Raises GoldenError where sections that differ cannot tell it.
        """
        if self.base is None:
            return output
        wanted = self.reading.lines(output)
        new = _blocks(self.path, wanted, self.reading)
        titles = _changed(new, self.base) | _anchors(new, self.base)
        over = [block for block in new if block.title in titles]
        if [line for block in _overlaid(self.base, over) for line in block.lines] != wanted:
            raise GoldenError(
                f"{self.path}: a variant adds sections, or has them in place of the golden's; this"
                " output lacks some, or has them in another order"
            )
        return "".join(f"{line}\n" for block in over for line in block.lines)


def files(
    expected: Path,
    number: str,
    traits: Sequence[str],
    variant: str = "",
    *,
    writing: bool = False,
) -> list[Path]:
    """Return the files that count for a case, the first to be asked first; the last is the golden.

    That need not be there, nor that of a *variant* that was asked for, which is before those of
    the traits after it. For *writing*, the first trait has one as soon as any has: what is right
    for programs that have it is not to change what is right for others.
    """
    if variant:
        traits = traits[traits.index(variant) :] if variant in traits else [variant]
    names = {trait: f"{number}.{trait}.out" for trait in traits}
    there = [t for t, name in names.items() if os.path.lexists(f"{expected}/{name}")]
    first = variant or (traits[0] if there and writing else "")
    wanted = [trait for trait in traits if trait in there or trait == first]
    return [expected / name for name in (*(names[trait] for trait in wanted), f"{number}.out")]


def load(paths: Sequence[Path], reading: Reading = OWN) -> Golden:
    """Return the golden that is made of `files`.

    Raises FileNotFoundError where there is none, and GoldenError as `golden.read`.
    """
    *variants, plain = paths
    blocks = _blocks(plain, reading.lines(golden.read(plain)), reading)
    base: list[Block] | None = None
    stale: list[Block] = []
    for path in reversed(variants):
        base = blocks
        if os.path.lexists(path):  # else it is to be made
            over = _blocks(path, reading.lines(golden.read(path)), reading)
            titles = _changed(over, base) | _anchors(over, base)
            stale += [block for block in over if block.title not in titles]
            stale += [] if over else [Block("", path, 1, [])]
            blocks = _overlaid(base, over)
    return Golden(paths[0], blocks, base, stale, reading)


def _blocks(path: Path, lines: list[str], reading: Reading) -> list[Block]:
    return [
        Block(
            reading.heading(lines[each.start]), path, each.start + 1, lines[each.start : each.stop]
        )
        for each in sections(lines, reading.heading)
        if each.stop > each.start
    ]


def _by_title(blocks: Sequence[Block]) -> dict[str, list[list[str]]]:
    found: dict[str, list[list[str]]] = {}
    for block in blocks:
        found.setdefault(block.title, []).append(block.lines)
    return found


def _changed(blocks: Sequence[Block], base: Sequence[Block]) -> set[str]:
    """Return the headings whose sections are not as in *base*."""
    known = _by_title(base)
    return {title for title, lines in _by_title(blocks).items() if lines != known.get(title)}


def _anchors(blocks: Sequence[Block], base: Sequence[Block]) -> set[str]:
    """Return the headings of sections after which there are some that *base* does not have."""
    known = {block.title for block in base}
    return {one.title for one, other in pairwise(blocks) if other.title not in known}


def _overlaid(base: Sequence[Block], over: Sequence[Block]) -> list[Block]:
    """Return *base* with the sections of a variant in place of those of the same headings."""
    left = Counter(block.title for block in base)
    own: dict[str, list[Block]] = {}
    following: dict[str | None, list[Block]] = {}
    last: str | None = None
    for block in over:
        if block.title in left:
            last = block.title
            own.setdefault(last, []).append(block)
        else:
            following.setdefault(last, []).append(block)
    result = following.get(None, [])
    for block in base:
        left[block.title] -= 1
        if block.title not in own:
            result.append(block)
            continue
        mine = own[block.title]
        most = len(mine) if not left[block.title] else 1
        result += mine[:most]
        del mine[:most]
        if not left[block.title]:
            result += following.get(block.title, [])
    return result
