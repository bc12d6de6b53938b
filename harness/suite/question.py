# SPDX-License-Identifier: GPL-2.0-or-later
"""A program that is asked what it is, while others are."""

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from goldlock.errors import UsageError

LIMIT = 20.0
"""Seconds that a program has to answer."""


class Question:
    """A command line that is started now, and waited for by `answer`; an empty one says nothing.

    *subject* is what a complaint is about, by default the command line. Raises UsageError where it
    cannot be started.
    """

    def __init__(
        self,
        environ: Mapping[str, str],
        argv: Sequence[str],
        folder: Path | None = None,
        subject: str = "",
    ) -> None:
        self._argv = list(argv)
        self._subject = subject or " ".join(argv[:2])
        self._said: str | None = None
        self._hung = False
        if not argv:
            return
        try:
            self._process = subprocess.Popen(
                self._argv,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                cwd=folder,
                env={**environ, "LC_ALL": "C"},
                process_group=0,  # it may be a script, whose programs end with it
            )
        except OSError as error:
            raise UsageError(f"{subject or argv[0]} cannot be started: {error.strerror}") from None

    def answer(self) -> str:
        """Return what it prints, whatever its exit status; raise UsageError if it hangs."""
        if not self._argv or self._said is not None:
            return self._said or ""
        if self._hung:
            raise self._no_answer()
        try:
            said, _ = self._process.communicate(timeout=LIMIT)
        except subprocess.TimeoutExpired:
            self.stop()
            self._process.wait()
            self._hung = True
            raise self._no_answer() from None
        self._said = said.decode("utf-8", "replace")
        return self._said

    def _no_answer(self) -> UsageError:
        return UsageError(f"{self._subject}: no answer in {LIMIT:g} s")

    def status(self) -> int:
        """Return its exit status, negative for a signal; raise UsageError if it hangs."""
        self.answer()
        return self._process.returncode if self._argv else 0

    def stop(self) -> None:
        """Kill it, and what it has started, unless it has answered; from any thread."""
        if self._argv and self._said is None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
