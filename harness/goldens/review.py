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
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NoReturn, Self

from goldlock.errors import UsageError
from goldlock.goldens import compare, golden, update, variants
from goldlock.goldens.compare import Reading
from goldlock.goldens.golden import GoldenError
from goldlock.result import CaseResult, Change, SectionResult
from goldlock.text import count, printable

HELP = """
  a  accept: the golden gets this section as it is in the output
  s  skip: the section of the golden stays
  A  accept this section and all that follow of this case
  d  show the whole change, as a diff
  q  quit: what was accepted so far is written, the rest stays
  ?  this help"""

PROMPT = "accept? [a,s,A,d,q,?] "
_ESCAPES = re.compile(r"\x1b(\[[\d;]*[A-Za-z~]|O[A-Z])?")
"""What a terminal sends for an arrow, or the like."""

_ENDS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


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

    def __exit__(self, *_: object) -> None:
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

    *show* prints lines, *key* returns a key; *readings* are those of the cases, by their paths;
    with *force*, changes that git has not committed are written over, too. Afterwards, *written*
    are the goldens that were, and *accepted* the paths of the cases that pass by them.
    """

    def __init__(
        self,
        show: Callable[[str], None],
        key: Callable[[], str],
        readings: Mapping[str, Reading],
        *,
        force: bool,
    ) -> None:
        self._show = show
        self._key = key
        self._readings = readings
        self._force = force
        self._all = False
        self._position = 0
        self._total = 0
        self.written: list[Path] = []
        self.accepted: set[str] = set()

    def walk(self, differing: Sequence[CaseResult]) -> None:
        """Ask for each section that differs. A KeyboardInterrupt leaves the case at hand alone."""
        ready = [each for each in differing if self._can_be_written(each)]
        self._total = sum(len(each.failing) for each in ready)
        try:
            for each in ready:
                self._walk_case(each)
        except Quit:
            pass

    def _can_be_written(self, case: CaseResult) -> bool:
        try:
            if not case.completed or not case.failing:
                why = case.problems[0] if case.problems else "nothing of it can be chosen"
                raise GoldenError(why.partition("\n")[0])
            if case.no_golden:
                raise GoldenError("\n".join(case.no_golden))
            golden.ensure_overwritable(Path(case.golden_files[0]), force=self._force)
        except GoldenError as error:
            self._show(f"{case.name} cannot be reviewed: {error}")
            return False
        return True

    def _walk_case(self, case: CaseResult) -> None:
        """Ask for each section of a case; write the golden when the last one is decided."""
        accepted: list[SectionResult] = []
        self._all = False
        try:
            for section in case.failing:
                self._position += 1
                if self._accepts(case, section):
                    accepted.append(section)
        except Quit:
            self._write(case, accepted)
            raise
        self._write(case, accepted)

    def _accepts(self, case: CaseResult, section: SectionResult) -> bool:
        title = printable(section.title)
        self._show(f"\n[{self._position} of {self._total}] {case.name} [{title}]")
        self._show(section.text)
        if self._all:
            self._show("accepted")
            return True
        while True:
            self._show(PROMPT)
            key = self._key()
            if key == "q":
                self._show("quit")
                raise Quit
            if key in ("a", "A", "s"):
                self._all = key == "A"
                self._show("skipped" if key == "s" else "accepted")
                return key != "s"
            self._show(self._difference(case, section) if key == "d" else HELP)

    @staticmethod
    def _difference(case: CaseResult, section: SectionResult) -> str:
        old = "\n".join(case.golden_lines) + "\n" if case.golden_lines else ""
        new = compare.apply(old, section.changes)
        return f"\n{compare.difference(Path(case.golden), old, new)}"

    def _write(self, case: CaseResult, accepted: Sequence[SectionResult]) -> None:
        """Write the golden with the accepted sections in it, if there are any."""
        path, of = Path(case.golden_files[0]), count(len(case.failing), "section")
        try:
            if accepted:
                changes = [change for section in accepted for change in section.changes]
                is_stale = self._replace(case, changes)
                self.written.append(path)
                self._show(f"\nwritten: {path}, {len(accepted)} of {of} accepted")
                if len(accepted) == len(case.failing) and not is_stale:
                    self.accepted.add(case.path)
        except GoldenError as error:
            self._show(f"\n{error}")

    def _replace(self, case: CaseResult, changes: Sequence[Change]) -> bool:
        """Make the changes; return whether a variant still says what goes without saying."""
        files, reading = [*map(Path, case.golden_files)], self._readings[case.path]
        try:
            lines = variants.load(files, reading).lines
        except FileNotFoundError:
            lines = []
        except OSError as error:
            raise GoldenError(f"{files[0]}: {error.strerror}") from None
        if lines != [*case.golden_lines]:
            path = files[0]
            raise GoldenError(f"{path} was changed by someone else, and is as it was; run again")
        # What stays of a file that is written whole stays as it is, blanks at line ends, too.
        whole = len(files) == 1 and lines
        old = golden.read(files[0]) if whole else "".join(f"{line}\n" for line in lines)
        update.write(files, compare.apply(old, changes, reading), reading, force=True)
        return bool(variants.load(files, reading).stale)


def run(
    differing: Sequence[CaseResult],
    show: Callable[[str], None],
    readings: Mapping[str, Reading],
    *,
    force: bool,
) -> Review:
    """Walk through what differs with the person at the terminal.

    Raises KeyboardInterrupt when interrupted; each golden is then the old one or the new one.
    """
    sys.stdout.flush()
    with Keyboard() as keyboard:
        review = Review(show, keyboard.key, readings, force=force)
        review.walk(differing)
    return review
