"""A part with a slip of its author."""

from goldlock import Case, run


def story(case: Case) -> None:
    with case.side_by_side() as parts:
        parts.start(slip)


def slip(case: Case) -> None:
    case.section("A slip")
    raise RuntimeError("a slip")


run(story)
