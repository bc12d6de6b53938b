# SPDX-License-Identifier: GPL-2.0-or-later
"""How a program is told something, and how it is known that it has said all that it has to say."""

import re

from goldlock.errors import CaseError


class Speech:
    """The language of a program that has a prompt, or a command that has it print a marker.

    *number* is how often it was told something before: 0 is for what it is told to be ready.
    """

    def __init__(self, prompt: str = "", marker: str = "") -> None:
        """Raise CaseError when there is neither, or a marker that has no ``{}``."""
        if not prompt and "{}" not in marker:
            raise CaseError('a session is started with prompt="..." or marker="... {}"')
        self._prompt = prompt
        self._marker = marker

    def words(self, text: str, number: int) -> str:
        """Return what is written to it."""
        line = f"{text}\n" if number else ""
        return f"{line}{self._marker.replace('{}', _mark(number))}\n" if self._marker else line

    def answer(self, said: str, text: str, number: int) -> str | None:
        """Return the answer to *text* in what it has said since; None: there is more to come."""
        if self._marker:
            before, mark, after = said.partition(f"{_mark(number)}\n")
            return before + after if mark else None
        if not said.endswith(self._prompt):
            return None
        return self.last(said.removesuffix(self._prompt), text)

    def last(self, said: str, text: str) -> str:
        """Return the answer to *text* of a program that has ended."""
        if self._marker:
            return re.sub(rf"{_mark(0)[:-1]}\d+\n", "", said)
        return said.removeprefix(f"{text}\n") if text else said  # an echo


def _mark(number: int) -> str:
    return f"goldlock-answer-{number}"
