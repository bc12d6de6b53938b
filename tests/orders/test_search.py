# SPDX-License-Identifier: GPL-2.0-or-later
"""The search finds all that can come of programs, checked against brute force."""

import pytest
from goldlock.orders import effects
from goldlock.orders.effects import Step
from goldlock.orders.few_switches import FewSwitches
from goldlock.orders.history import History, order_text, parse_order, switches
from goldlock.orders.jobs import NOBODY, Job, Ran
from goldlock.orders.search import AllOrders, Choice
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.orders import model

LOCK, UNLOCK = effects.READ, model.END
OPERATIONS = st.tuples(
    st.sampled_from(
        [effects.READ, effects.WRITE, effects.LOOK_READ, effects.LOOK_WRITE, model.END]
    ),
    st.integers(0, 2),
    st.booleans(),
)
PROGRAMS = st.lists(st.lists(OPERATIONS, max_size=5), min_size=2, max_size=3)


@settings(max_examples=120, deadline=None)
@given(PROGRAMS, st.integers(1, 3))
def test_all_outcomes_are_found(programs: list[list[model.Operation]], jobs: int) -> None:
    """Whatever the programs, and however many orders run at the same time."""
    expected, number = model.all_outcomes(programs)
    runs = list(model.explore(programs, AllOrders(), jobs))
    assert {end for ran, end in runs if ran.end != "cut"} == expected
    assert len(runs) <= number


@settings(max_examples=60, deadline=None)
@given(PROGRAMS, st.integers(0, 2), st.integers(1, 3))
def test_all_outcomes_of_few_switches_are_found(
    programs: list[list[model.Operation]], limit: int, jobs: int
) -> None:
    expected = model.outcomes_of_few_switches(programs, limit)
    assert {end for _, end in model.explore(programs, FewSwitches(limit), jobs)} == expected


@settings(max_examples=80, deadline=None)
@given(PROGRAMS, st.integers(1, 3), st.integers(2, 3))
def test_shards_find_all_outcomes_together(
    programs: list[list[model.Operation]], number: int, jobs: int
) -> None:
    """And each finds the same, with the same orders, however many run at the same time."""

    def found(index: int, jobs: int) -> set[tuple[model.Outcome, tuple[str, ...]]]:
        return {
            (end, tuple(ran.steps[i].actor for i in History(ran.steps).shortest()))
            for ran, end in model.explore(programs, AllOrders((index, number)), jobs)
            if ran.end != "cut"
        }

    parts = [found(index, 1) for index in range(1, number + 1)]
    assert {end for part in parts for end, _ in part} == model.all_outcomes(programs)[0]
    assert parts == [found(index, jobs) for index in range(1, number + 1)]


@settings(max_examples=40, deadline=None)
@given(PROGRAMS, st.integers(0, 2), st.integers(2, 3))
def test_shards_find_all_outcomes_of_few_switches(
    programs: list[list[model.Operation]], limit: int, number: int
) -> None:
    searches = [FewSwitches(limit, (index, number)) for index in range(1, number + 1)]
    found = {end for search in searches for _, end in model.explore(programs, search)}
    assert found == model.outcomes_of_few_switches(programs, limit)


def test_a_shard_runs_a_part_of_few_switches() -> None:
    programs = [[(effects.WRITE, 0, True), (model.END, 0, False)] * 3] * 3
    whole = len(list(model.explore(programs, FewSwitches(2))))
    parts = [len(list(model.explore(programs, FewSwitches(2, (i, 3))))) for i in (1, 2, 3)]
    assert max(parts) < whole * 0.7


def test_shards_have_all_orders_by_chance() -> None:
    def seeds(shard: tuple[int, int] | None) -> list[int | None]:
        search = Choice(chance=6, seed=7, shard=shard).search()
        search.add(Job(()), Ran((Step("A", "", "", ()),), (), "ended"))
        return [job.seed for job in iter(search.next_job, None)]

    parts = [seeds((index, 2)) for index in (1, 2)]
    assert parts == [[None, 7, 9, 11], [None, 8, 10]]
    assert sorted({*parts[0], *parts[1]}, key=str) == sorted(seeds(None), key=str)


def test_a_shard_runs_a_part() -> None:
    """Three shards of the orders of three programs that are in each other's way all the time."""
    programs = [[(effects.WRITE, 0, True), (model.END, 0, False)] * 3] * 3
    whole = len(list(model.explore(programs, AllOrders())))
    parts = [len(list(model.explore(programs, AllOrders((i, 3))))) for i in (1, 2, 3)]
    assert max(parts) < whole * 0.7
    assert sum(parts) < whole * 1.2


def test_chance_is_the_same_for_the_same_seed() -> None:
    """And each of the priorities is changed within the length that was seen."""
    search = Choice(chance=4, seed=7).search()
    first = search.next_job()
    assert first == Job(())
    assert search.next_job() is None
    search.add(first, Ran((Step("A", "", "", ()),) * 9, (), "ended"))
    jobs = [search.next_job() for _ in range(3)]
    assert jobs == [Job((), NOBODY, seed, 2, 9) for seed in (7, 8, 9)]
    assert search.next_job() is None


def test_an_order_that_comes_by_another_way_keeps_no_other_from_being_run() -> None:
    programs = [[(effects.WRITE, 0, False)]] * 3
    search = AllOrders()
    runs = model.explore(programs, search, is_lost=lambda job: job.prefix == (("B", "write 0"),))
    assert {ran.steps[0].actor for ran, _ in runs} == {"A", "C"}
    assert search.left == 0


def test_a_state_that_one_order_did_not_come_to_is_come_to_by_another() -> None:
    """Two read, and then one writes: which of the two was first is the same to it."""
    programs = [[(mode, 0, False)] for mode in (effects.READ, effects.READ, effects.WRITE)]
    both = (("A", "read 0"), ("B", "read 0"), ("C", "write 0"))
    runs = model.explore(programs, FewSwitches(2), is_lost=lambda job: job.prefix == both)
    assert ["B", "A", "C"] in [[step.actor for step in ran.steps[:3]] for ran, _ in runs]


def test_readers_need_one_order() -> None:
    reader = [(LOCK, byte, False) for byte in range(7)] + [(UNLOCK, b, False) for b in range(7)]
    assert len(list(model.explore([reader, reader, reader], AllOrders()))) == 1


@settings(max_examples=40, deadline=None)
@given(PROGRAMS)
def test_the_shortest_order_is_one_of_the_history(programs: list[list[model.Operation]]) -> None:
    """It leads to the same end, has no more switches, and is the same for each order of it."""
    for ran, end in model.explore(programs, AllOrders()):
        history = History(ran.steps)
        short = [ran.steps[i] for i in history.shortest()]
        state = model.start(programs)
        for step in short:
            state, again = model.go(state, step.actor)
            assert again == step
        if ran.end != "cut":
            assert model.outcome(state) == end
        actors = [step.actor for step in short]
        assert switches(actors) <= switches([step.actor for step in ran.steps])
        assert [short[i].actor for i in History(short).shortest()] == actors


def test_orders_are_written_and_read() -> None:
    actors = ["A", "A", "B", "A.2", "A"]
    assert order_text(actors) == "2A 1B 1A.2 1A"
    assert parse_order("2A B 1A.2 1A") == actors


@pytest.mark.parametrize("text", ["Q", "2", "A2", "2A,B", "-1A"])
def test_what_is_no_order_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected how many steps of whom"):
        parse_order(text)
