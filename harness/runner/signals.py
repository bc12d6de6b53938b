# SPDX-License-Identifier: GPL-2.0-or-later
"""What signals do to a run."""

import signal
from collections.abc import Callable


class Signals:
    """Lets a signal end the cases; who waits for one is then interrupted.

    The handler raises nothing the first time: in the midst of an import or a destructor, an
    exception gets lost, or becomes another. A second signal does not wait.
    """

    def __init__(self) -> None:
        self._seen = 0
        self._end_cases: Callable[[], None] | None = None
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
            signal.signal(number, self._handle)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # a caller may ignore it

    def end_cases_with(self, end_cases: Callable[[], None]) -> None:
        """Say how the cases are ended, also for a signal that came before."""
        self._end_cases = end_cases
        if self._seen:
            end_cases()

    def _handle(self, *_: object) -> None:
        self._seen += 1
        if self._end_cases:
            self._end_cases()
        if self._seen > 1:
            raise KeyboardInterrupt
