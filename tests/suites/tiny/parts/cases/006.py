"""A part that is killed."""

import os
import signal

from goldlock import Case, run


def story(case: Case) -> None:
    with case.side_by_side() as parts:
        parts.start(killed)


def killed(case: Case) -> None:
    case.section("Killed")
    os.kill(os.getpid(), signal.SIGKILL)


run(story)
