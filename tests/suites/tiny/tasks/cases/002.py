"""The second task fails while all others run: the first goes on to its end, the third does not."""

import fcntl
import os
from pathlib import Path

from goldlock import Case, run


def main(case: Case) -> None:
    os.mkfifo("second-is-there")
    os.mkfifo("third-is-there")
    here = Path.cwd()
    with case.task_group() as group:
        group.start(first, here / "second-is-there")
        group.start(second, here / "second-is-there", here / "third-is-there")
        group.start(third, here / "third-is-there")
    case.log("not reached")


def first(case: Case, other: Path) -> None:
    case.section("First")
    other.read_text()  # to its end, which comes with that of the second task
    case.log("the first, all of it")


def second(case: Case, end: Path, other: Path) -> None:
    _file = end.open("w")
    case.section("Second")
    other.read_text()
    case.program("no-such-program")("info")
    case.log("not reached")


def third(case: Case, start: Path) -> None:
    case.section("Third")
    with open("state", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        start.write_text("")
        os.mkfifo("never")
        Path("never").read_text()


run(main)
