# timeout: 3
"""The second task hangs: the output of all of them is there, and where each of them is."""

import os
from pathlib import Path

from goldlock import Case, run


def main(case: Case) -> None:
    os.mkfifo("never")
    never = Path.cwd() / "never"
    with case.task_group() as group:
        for number in (1, 2, 3):
            group.start(part, number, never)
    case.log("not reached")


def part(case: Case, number: int, never: Path) -> None:
    case.section(f"Part {number}")
    if number == 2:
        case.log("=== Waiting ===")
        never.read_text()
    case.log("done")


run(main)
