"""A task that cannot run here: nor can the case."""

from goldlock import Case, run


def main(case: Case) -> None:
    with case.task_group() as group:
        group.start(Case.not_run, "no moon tonight")


run(main)
