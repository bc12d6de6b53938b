# SPDX-License-Identifier: GPL-2.0-or-later
"""The order that is shown for an outcome is one that leads there."""

import re
from collections.abc import Iterator, Mapping

import pytest
from goldlock.orders.effects import Step
from goldlock.orders.explorer import Pool, confirm
from goldlock.orders.history import order_text
from goldlock.orders.jobs import Job, Ran
from goldlock.orders.outcome import Outcome, Outcomes
from goldlock.orders.worker import Result

from tests.lockcalls.support import need
from tests.orders.conftest import Orders, outcomes


class _Known(Pool):
    """Runs nothing: what each order comes to is known; what is not diverges."""

    def __init__(self, known: Mapping[str, str]) -> None:
        self._known = known
        self._jobs: list[Job] = []

    def can_take(self) -> bool:
        return len(self._jobs) < 2

    def is_busy(self) -> bool:
        return bool(self._jobs)

    def give(self, job: Job) -> None:
        self._jobs.append(job)

    def results(self, end: float | None = None) -> Iterator[Result]:  # noqa: ARG002 - none is late
        job = self._jobs.pop()
        text = self._known.get("".join(actor for actor, _ in job.prefix))
        if text is None:
            yield Result(job, "diverged", "elsewhere")
        else:
            yield Result(job, "", text, Ran((), (), "ended"))


def _steps(actors: str) -> tuple[Step, ...]:
    return tuple(Step(actor, "look", "ok", ()) for actor in actors)


@pytest.mark.parametrize(
    ("known", "orders", "wrong"),
    [
        ({"AABB": "x"}, {"x": "2A 2B"}, []),
        ({"ABAB": "x"}, {"x": "1A 1B 1A 1B"}, []),
        ({"AABB": "y", "ABAB": "x"}, {"x": "1A 1B 1A 1B"}, []),
        ({}, {"x": "2A 2B"}, ["2A 2B: elsewhere"]),
        ({"ABAB": "y"}, {"x": "2A 2B"}, ["2A 2B: elsewhere"]),
    ],
)
def test_the_order_as_it_was_run_is_taken_where_the_shorter_one_leads_elsewhere(
    known: Mapping[str, str], orders: Mapping[str, str], wrong: list[str]
) -> None:
    found = Outcomes()
    for ran in ("ABAB", "BABA"):
        found.add("x", _steps(ran))
    confirmed, lines = confirm(_Known(known), found.sorted())
    assert {each.text: order_text(each.actors) for each in confirmed} == orders
    assert lines == wrong


def test_of_two_outcomes_with_one_order_each_is_confirmed() -> None:
    both = [Outcome(text, _steps("AB"), _steps(ran)) for text, ran in (("x", "AB"), ("y", "BA"))]
    confirmed, lines = confirm(_Known({"AB": "x", "BA": "y"}), both)
    assert [(each.text, order_text(each.actors)) for each in confirmed] == [
        ("x", "1A 1B"),
        ("y", "1B 1A"),
    ]
    assert lines == []
    (line,) = confirm(_Known({"AB": "x"}), both)[1]
    assert line.startswith("1A 1B: another outcome when it is run again; ")


def test_where_looks_by_name_are_steps_each_order_can_be_gone_by_again(orders: Orders) -> None:
    need("sqlite3")
    insert = 'sqlite3 t.db "begin immediate; insert into t values({}); commit"'
    done = orders(
        "--points", "files", "-j", "4", "--setup", "sqlite3 t.db 'create table t(x)'",
        "--outcome", "sqlite3 t.db 'select x from t'", insert.format(1), insert.format(2),
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert ", of all orders\n" in done.stdout


def test_an_order_that_was_rearranged_past_a_look_by_name_is_not_shown(orders: Orders) -> None:
    """As sqlite asks by name whether there is a journal, and that is no step."""
    need("sqlite3")
    insert = 'sqlite3 t.db "begin immediate; insert into t values({}); commit"'
    given = (
        "--setup", "sqlite3 t.db 'create table t(x)'",
        "--outcome", "sqlite3 t.db 'select x from t'",
        f"one: {insert.format(1)}",
        f"two: {insert.format(2)}",
    )  # fmt: skip
    done = orders("--switches", "2", "-j", "1", *given)  # with more, others come by another way
    assert (done.returncode, done.stderr) == (0, "")
    (both,) = [text for text in outcomes(done.stdout) if text.count("exit status 5") == 2]
    text, order = re.findall(r"((?:.*\n)*)  order: (.*) \(", both)[0]
    again = orders(*given, "--order", order)
    assert (again.returncode, again.stderr) == (0, "")
    assert re.sub(r"^  ", "", text, flags=re.M) in again.stdout
