"""A task with a slip of its author."""

from goldlock import Case, run


def main(case: Case) -> None:
    with case.task_group() as group:
        group.start(slip)


def slip(case: Case) -> None:
    case.section("A slip")
    raise RuntimeError("a slip")


run(main)
