# SPDX-License-Identifier: GPL-2.0-or-later
"""What programs by chance share: processes that do a step each, one after the other.

    python -m tests.lockcalls.random_locks FIRST LAST

Each number is a program, which always does the same. What each of its calls returned is printed,
then what there is at the end. Of the standard library alone, as many are to be started.
"""

import errno
import os
import random
import sys
import threading
from collections.abc import Callable, Iterable

PROCESSES = 3

Step = Callable[[], str]
"""What a process does next; it returns what is to be printed of it."""


def result(call: Callable[[], object]) -> str:
    """Return "ok", or the name of the errno of a call."""
    try:
        call()
    except OSError as error:
        return errno.errorcode[error.errno or 0]
    return "ok"


def in_thread(act: Step) -> str:
    """Do it in a thread of its own."""
    said: list[str] = []
    thread = threading.Thread(target=lambda: said.append(act()))
    thread.start()
    thread.join()
    return said[0]


class Processes:
    """The processes of a program; each makes its choices itself, by its own share of chance."""

    def __init__(self, number: int, kind: Callable[[random.Random], Step]) -> None:
        self._number = number
        self.pids: list[int] = []
        self._ends: list[tuple[int, int]] = []
        for index in range(PROCESSES):
            self._start(kind, random.Random(f"{number} {index}"))

    def _start(self, kind: Callable[[random.Random], Step], chance: random.Random) -> None:
        steps, answers = os.pipe(), os.pipe()
        if not (pid := os.fork()):
            for end in (steps[1], answers[0], *(end for pair in self._ends for end in pair)):
                os.close(end)
            step = kind(chance)
            while os.read(steps[0], 1):
                os.write(answers[1], f"{step()}\n".encode())
            os._exit(0)
        os.close(steps[0])
        os.close(answers[1])
        self.pids.append(pid)
        self._ends.append((steps[1], answers[0]))

    def step(self, index: int) -> None:
        """Have one of them do a step, and print what it did."""
        ask, answer = self._ends[index]
        os.write(ask, b"x")
        print(self._number, index, os.read(answer, 200).decode(), end="")  # noqa: T201 - what it is for

    def end(self) -> None:
        for pid, ends in zip(self.pids, self._ends, strict=True):
            for end in ends:
                os.close(end)
            os.waitpid(pid, 0)


def main(program: Callable[[int, random.Random], Iterable[str]]) -> None:
    """Run the programs of the numbers in the command line; print what there is at their ends."""
    for number in range(int(sys.argv[1]), int(sys.argv[2]) + 1):
        for line in program(number, random.Random(number)):
            print(number, "has", line)  # noqa: T201 - what it is for
