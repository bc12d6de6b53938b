"""A task that is killed."""

import os
import signal

from goldlock import Case, run


def main(case: Case) -> None:
    with case.task_group() as group:
        group.start(killed)


def killed(case: Case) -> None:
    case.section("Killed")
    os.kill(os.getpid(), signal.SIGKILL)


run(main)
