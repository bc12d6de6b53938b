# SPDX-License-Identifier: GPL-2.0-or-later
"""Walk through the sections that differ, one key each, and write what was accepted.

Nothing here knows pytest: who walks hands over what to show with, and what to read keys with.
"""

import os
import re
import signal
import sys
import termios
import tty
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, NoReturn, Self

from goldlock.errors import UsageError
from goldlock.goldens import compare, diff, golden
from goldlock.goldens.compare import SectionResult
from goldlock.goldens.golden import GoldenError
from goldlock.goldens.judge import Verdict

HELP = """
  a  accept: the golden gets this section as it is in the output
  s  skip: the section of the golden stays
  A  accept this section and all that follow of this case
  d  show the whole change, as a diff
  q  quit: what was accepted so far is written, the rest stays
  ?  this help"""

_PROMPT = "accept? [a,s,A,d,q,?] "
_ESCAPES = re.compile(r"\x1b(\[[\d;]*[A-Za-z~]|O[A-Z])?")
"""What a terminal sends for an arrow, or the like."""

_ENDS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Differing(NamedTuple):
    """A case that failed: its number, and its verdict."""

    number: str
    verdict: Verdict


class Quit(Exception):
    """The person has seen enough."""


def require_terminal(hint: str = "") -> None:
    """Raise UsageError, ending in *hint*, unless a person can be asked, and sees what is asked."""
    if not (os.isatty(0) and os.isatty(1)):
        raise UsageError(
            "--review: standard input and output must be a terminal; elsewhere, --update writes"
            f" all that differs{hint}"
        )


class Keyboard:
    """Keys of the terminal at standard input, one by one; its mode is restored at the end.

    While it is in use, SIGINT, SIGTERM and SIGHUP raise KeyboardInterrupt.
    """

    def __enter__(self) -> Self:
        self._keys = ""
        self._mode = termios.tcgetattr(0)
        self._handlers = [(number, signal.signal(number, _interrupt)) for number in _ENDS]
        tty.setcbreak(0)  # drops what was typed before there was anything to see
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        termios.tcsetattr(0, termios.TCSADRAIN, self._mode)
        for number, handler in self._handlers:
            signal.signal(number, handler)

    def key(self) -> str:
        """Wait for a key, and return it; ``q`` where no more can come."""
        while not self._keys:
            try:
                typed = os.read(0, 100).decode("utf-8", "replace")
            except OSError:  # the terminal is gone
                return "q"
            if not typed:
                return "q"
            self._keys = _ESCAPES.sub("", typed)
        key, self._keys = self._keys[0], self._keys[1:]
        return key


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt


class Review:
    """One walk through what differs.

    *show* prints lines, *key* returns a key; with *force*, changes that git has not committed
    are written over, too. Afterwards, *written* are the goldens that were, and *accepted* the
    numbers of the cases of which nothing differs any more.
    """

    def __init__(self, show: Callable[[str], None], key: Callable[[], str], *, force: bool) -> None:
        self._show = show
        self._key = key
        self._force = force
        self._all = False
        self._position = 0
        self._total = 0
        self.written: list[Path] = []
        self.accepted: set[str] = set()

    def walk(self, differing: Sequence[Differing]) -> None:
        """Ask for each section that differs. A KeyboardInterrupt leaves the case at hand alone."""
        ready = [each for each in differing if self._can_be_written(each)]
        self._total = sum(len(each.verdict.failing) for each in ready)
        try:
            for each in ready:
                self._walk_case(each)
        except Quit:
            pass

    def _can_be_written(self, case: Differing) -> bool:
        verdict = case.verdict
        try:
            if not verdict.sound or not verdict.failing:
                why = verdict.problems[0] if verdict.problems else "nothing of it can be chosen"
                raise GoldenError(why.partition("\n")[0])
            golden.check_free(verdict.golden, force=self._force)
        except GoldenError as error:
            self._show(f"{case.number} cannot be reviewed: {error}")
            return False
        return True

    def _walk_case(self, case: Differing) -> None:
        """Ask for each section of a case; write the golden when the last one is decided."""
        accepted: list[SectionResult] = []
        self._all = False
        try:
            for section in case.verdict.failing:
                self._position += 1
                if self._accepts(case, section):
                    accepted.append(section)
        except Quit:
            self._write(case, accepted)
            raise
        self._write(case, accepted)

    def _accepts(self, case: Differing, section: SectionResult) -> bool:
        verdict = case.verdict
        title = diff.printable(section.title)
        self._show(f"\n[{self._position} of {self._total}] {case.number} [{title}]")
        difference = (
            diff.addition(section, verdict.golden)
            if verdict.new
            else diff.difference(section, verdict.golden, verdict.lines)
        )
        self._show(str(difference))
        if self._all:
            self._show("accepted")
            return True
        while True:
            self._show(_PROMPT)
            key = self._key()
            if key == "q":
                self._show("quit")
                raise Quit
            if key in ("a", "A", "s"):
                self._all = key == "A"
                self._show("skipped" if key == "s" else "accepted")
                return key != "s"
            self._show(self._difference(verdict, section) if key == "d" else HELP)

    @staticmethod
    def _difference(verdict: Verdict, section: SectionResult) -> str:
        old = "\n".join(verdict.lines) + "\n" if verdict.lines else ""
        shown = compare.difference(verdict.golden, old, compare.apply(old, section.changes))
        return "\n".join(["", *(diff.printable(line) for line in shown.split("\n"))])

    def _write(self, case: Differing, accepted: Sequence[SectionResult]) -> None:
        """Write the golden with the accepted sections in it, if there are any."""
        verdict = case.verdict
        of = diff.count(len(verdict.failing), "section")
        try:
            if accepted:
                changes = [change for section in accepted for change in section.changes]
                self._replace(verdict, changes)
                self.written.append(verdict.golden)
                self._show(f"\nwritten: {verdict.golden}, {len(accepted)} of {of} accepted")
            if len(accepted) == len(verdict.failing):
                self.accepted.add(case.number)
        except GoldenError as error:
            self._show(f"\n{error}")

    def _replace(self, verdict: Verdict, changes: Sequence[compare.Change]) -> None:
        path = verdict.golden
        try:
            old = path.read_bytes().decode("utf-8", "surrogateescape")
        except FileNotFoundError:
            old = ""
        except OSError as error:
            raise GoldenError(f"{path}: {error.strerror}") from None
        if compare.to_lines(old) != list(verdict.lines):
            raise GoldenError(f"{path} was changed by someone else, and is as it was; run again")
        golden.write(path, compare.apply(old, changes))


def run(differing: Sequence[Differing], show: Callable[[str], None], *, force: bool) -> Review:
    """Walk through what differs with the person at the terminal.

    Raises KeyboardInterrupt when interrupted; each golden is then the old one or the new one.
    """
    sys.stdout.flush()
    with Keyboard() as keyboard:
        review = Review(show, keyboard.key, force=force)
        review.walk(differing)
    return review
