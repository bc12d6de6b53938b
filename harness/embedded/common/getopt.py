# SPDX-License-Identifier: GPL-2.0-or-later
"""Command lines as getopt_long reads them: options anywhere, `--` ends them."""

from __future__ import annotations


class UsageError(Exception):
    """A command line that is wrong; the text is QEMU's message without the program's name."""


class Arguments:
    """The options of one command line, in order, and the operands left over."""

    def __init__(self) -> None:
        self.options: list[tuple[str, str]] = []
        self.operands: list[str] = []

    def has(self, *names: str) -> bool:
        """Tell whether one of the options was given."""
        return any(name in names for name, _ in self.options)

    def last(self, *names: str) -> str | None:
        """Return the value of the last of these options, or None."""
        found = [value for name, value in self.options if name in names]
        return found[-1] if found else None

    def all(self, *names: str) -> list[str]:
        """Return the values of these options, in order."""
        return [value for name, value in self.options if name in names]


def parse(
    words: list[str], short: str, long: tuple[str, ...] = (), *, permute: bool = True
) -> Arguments:
    """Read `words`; `short` is getopt's string, `long` names with `=` where a value follows.

    A long option may be shortened as far as it is unambiguous. UsageError names
    what is unknown or lacks its value. Without `permute` the first operand ends
    the options.
    """
    result = Arguments()
    at = 0
    while at < len(words):
        word = words[at]
        at += 1
        if word == "--":
            result.operands += words[at:]
            break
        if not word.startswith("-") or word == "-":
            result.operands.append(word)
            if not permute:
                result.operands += words[at:]
                break
        elif word.startswith("--"):
            at = _long(word, words, at, long, result)
        else:
            at = _short(word, words, at, short, result)
    return result


def _long(word: str, words: list[str], at: int, long: tuple[str, ...], result: Arguments) -> int:
    name, equals, value = word[2:].partition("=")
    matches = [one for one in long if one.rstrip("=") == name] or [
        one for one in long if one.startswith(name)
    ]
    if len(matches) != 1 or (equals and not matches[0].endswith("=")):
        raise UsageError(f"unrecognized option '{word}'")
    if matches[0].endswith("=") and not equals:
        if at >= len(words):
            raise UsageError(f"missing argument for option '{word}'")
        value = words[at]
        at += 1
    result.options.append(("--" + matches[0].rstrip("="), value))
    return at


def _short(word: str, words: list[str], at: int, short: str, result: Arguments) -> int:
    for position in range(1, len(word)):
        letter = word[position]
        found = short.find(letter) if letter != ":" else -1
        if found < 0:
            # getopt has not moved on within a cluster of letters, so QEMU names the word before.
            shown = word if position == len(word) - 1 else words[at - 2] if at > 1 else word
            raise UsageError(f"unrecognized option '{shown}'")
        if short[found + 1 : found + 2] != ":":
            result.options.append(("-" + letter, ""))
            continue
        if position + 1 < len(word):
            result.options.append(("-" + letter, word[position + 1 :]))
        elif at < len(words):
            result.options.append(("-" + letter, words[at]))
            at += 1
        else:
            raise UsageError(f"missing argument for option '{word}'")
        break
    return at
