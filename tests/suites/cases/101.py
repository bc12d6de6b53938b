# SPDX-License-Identifier: GPL-2.0-or-later
# group: quick
"""What a run says of cases that pass, fail, crash, hang, leak, or cannot run."""

import tiny
from goldlock import Case, run


def main(case: Case) -> None:
    for name in ("pass", "fail", "notrun", "timeout", "crash", "leak", "start"):
        case.section(name)
        tiny.run(case, tiny.copy(case, name))


run(main)
