"""A part that cannot run here: nor can the case."""

from goldlock import Case, run


def story(case: Case) -> None:
    with case.side_by_side() as parts:
        parts.start(Case.not_run, "no moon tonight")


run(story)
