"""What is typed: refused where it would not be heeded."""

import pytest

from tests.conftest import RunTests


@pytest.mark.parametrize(
    ("words", "what"),
    [(["153"], "cases"), (["--repeat", "3"], "--repeat"), (["--keep"], "--keep")],
)
def test_self_tests_are_not_chosen_by_the_options_for_cases(
    run_tests: RunTests, words: list[str], what: str
) -> None:
    done = run_tests("--self-test", *words)
    assert done.returncode == 2
    assert done.stdout == (
        f"run_tests.py: --self-test runs goldlock's own tests, and takes no {what};"
        " '--self-test -- -k WORD' chooses among them\n"
    )


def test_a_self_test_can_be_chosen(run_tests: RunTests) -> None:
    done = run_tests("--self-test", "--no-setup", "--", "-q", "--co", "-k", "a_self_test_can_be")
    assert done.returncode == 0
    assert "test_a_self_test_can_be_chosen" in done.stdout
