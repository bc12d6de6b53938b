"""Two tasks that must run at the same time: the first ends only after the second has begun."""

import os
from pathlib import Path

from goldlock import Case, run


def main(case: Case) -> None:
    meeting = Path(case.test_dir) / "meeting"
    os.mkfifo(meeting)
    case.section("Before")
    with case.task_group() as group:
        group.start(first, meeting)
        group.start(second, meeting, word="later")
    case.section("After")
    case.log(f"there are {sorted(path.name for path in Path().iterdir())}")


def first(case: Case, meeting: Path) -> None:
    case.section("First")
    case.log(f"state is there: {os.path.exists('state')}")
    Path("state").touch()
    case.log(meeting.read_text(), case.paths)


def second(case: Case, meeting: Path, word: str) -> None:
    case.section("Second")
    case.log(f"state is there: {os.path.exists('state')}")
    meeting.write_text(f"{word}, from {os.path.basename(os.getcwd())}")


run(main)
