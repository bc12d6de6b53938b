# SPDX-License-Identifier: GPL-2.0-or-later
# group: quick
"""Goldens that are not as they should be, and output that is hard to compare."""

import tiny
from goldlock import Case, run


def main(case: Case) -> None:
    for name in ("goldens", "bytes", "lines"):
        case.section(name)
        tiny.run(case, tiny.copy(case, name))

    case.section("no orphans on a run of some cases, which cannot know")
    tiny.run(case, tiny.copy(case, "pass"), "001")

    case.section("100 MB")
    large = tiny.copy(case, "large")
    line = "this line is 32 characters long\n"
    golden = line * (104857600 // len(line))
    (large / "expected").mkdir()
    for number in ("001", "002"):
        (large / "expected" / f"{number}.out").write_text(golden)
    tiny.run(case, large)


run(main)
