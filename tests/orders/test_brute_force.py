# SPDX-License-Identifier: GPL-2.0-or-later
"""The orders that are left out come to nothing new: real programs, beside each of their orders."""

import re

import pytest

from tests.orders.conftest import Orders, outcomes

_ALL = ("--always", "true")
"""What must always be so may depend on any two steps, so no order is left out."""

_LINKS = "mkdir d e; touch d/f; ln -s d m; ln -s m l; ln -s e n"


@pytest.mark.parametrize(
    "given",
    [
        ("--setup", "touch a b", "flock -n a flock -n b true", "flock -n b flock -n a true"),
        ("--setup", "touch a", "flock -n a true", "flock -n a true", "flock -sn a true"),
        ("--points", "files", "--setup", "touch f", "flock f rm f", "flock f true"),
        ("--points", "files", "--setup", "touch a b", "mv a c", "mv b c", "sh -c 'echo new >c'"),
        ("--points", "files", "--setup", "touch a b", "ln a l", "sh -c 'ln b l; rm l'"),
        ("--points", "files", "mkdir d/x", "mkdir d", "sh -c 'test -e d/x && echo yes'"),
        ("--points", "files", "--setup", _LINKS, "sh -c 'test -e l/f && echo yes'", "mv -T n m"),
        ("--points", "all", "sh -c 'echo 1 >>f; echo 2 >>f'", "sh -c 'echo 3 >>f; echo 4 >>f'"),
    ],
)
def test_all_that_can_come_of_programs_is_found(orders: Orders, given: tuple[str, ...]) -> None:
    few, each = orders(*given), orders(*_ALL, *given)
    assert (few.stderr, each.stderr) == ("", "")
    assert _runs(few.stdout) <= _runs(each.stdout)
    assert _results(few.stdout) == _results(each.stdout)
    assert len(_results(few.stdout)) > 1


def _runs(text: str) -> int:
    return int(re.findall(r"^(\d+) runs in ", text, flags=re.M)[0])


def _results(text: str) -> list[str]:
    """Return the outcomes, without the orders that lead to them."""
    return sorted(each.partition("\n  order: ")[0] for each in outcomes(text))
