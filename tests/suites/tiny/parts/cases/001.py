"""Two parts that must run at the same time: the first ends only after the second has begun."""

import os
from pathlib import Path

from goldlock import Case, run


def story(case: Case) -> None:
    meeting = Path(case.test_dir) / "meeting"
    os.mkfifo(meeting)
    case.section("Before")
    with case.side_by_side() as parts:
        parts.start(first, meeting)
        parts.start(second, meeting, word="later")
    case.section("After")
    case.log(f"there are {sorted(path.name for path in Path().iterdir())}")


def first(case: Case, meeting: Path) -> None:
    case.section("First")
    case.log(f"{case.image} is there: {os.path.exists(case.image)}", case.paths)
    Path(case.image).touch()
    case.log(meeting.read_text(), case.paths)


def second(case: Case, meeting: Path, word: str) -> None:
    case.section("Second")
    case.log(f"{case.image} is there: {os.path.exists(case.image)}", case.paths)
    meeting.write_text(f"{word}, from {os.path.basename(os.getcwd())}")


run(story)
