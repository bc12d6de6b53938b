# SPDX-License-Identifier: GPL-2.0-or-later
"""What must be so at each moment: checked against brute force, and on real programs."""

import re
from math import comb
from pathlib import Path

import pytest
from goldlock.orders import effects
from goldlock.orders.always import Watch
from goldlock.orders.holders import what_holders_see
from goldlock.orders.search import AllOrders
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.case.support import run_script
from tests.lockcalls.support import need
from tests.orders import model
from tests.orders.conftest import Orders, locker, outcomes

PAIRS = {0: 1, 2: 3}
OPERATIONS = st.tuples(
    st.sampled_from([effects.READ, effects.LOOK_WRITE, model.END]), st.integers(0, 3), st.just(0)
)
PROGRAMS = st.lists(st.lists(OPERATIONS, max_size=4), min_size=2, max_size=2)


@settings(max_examples=80, deadline=None)
@given(PROGRAMS)
def test_all_that_holders_break_is_found(programs: list[list[model.Operation]]) -> None:
    """What is found in one order of each history is what brute force finds in all orders."""
    expected = {
        text
        for order in model.all_orders(programs)
        for _, text in model.broken(programs, order, PAIRS)
    }
    runs = model.explore(programs, AllOrders(), sees=lambda own: what_holders_see(own, PAIRS))
    orders = [[step.actor for step in ran.steps] for ran, _ in runs]
    found = {text for order in orders for _, text in model.broken(programs, order, PAIRS)}
    assert found == expected


def test_who_asks_as_qemu_does_breaks_nothing() -> None:
    """Both lock, and then ask: whatever the order, not both go on. If one does not ask, they do."""
    uses, unshares = (effects.READ, 0, False), (effects.READ, 1, False)
    asks = [[uses, (effects.LOOK_WRITE, 1, False)], [unshares, (effects.LOOK_WRITE, 0, False)]]
    assert not any(model.broken(asks, order, PAIRS) for order in model.all_orders(asks))
    forgets = [[uses], asks[1]]
    found = [model.broken(forgets, order, PAIRS) for order in model.all_orders(forgets)]
    assert {text for each in found for _, text in each} == {
        "A holds 0 of f, shared, and B holds 1 of f, shared"
    }


def test_bytes_side_by_side_are_held_each_for_itself() -> None:
    """The kernel makes one lock of two: when the one is let go, the other one is no new lock."""
    pairs = {0: 10, 1: 11}
    asks = (effects.LOOK_WRITE, 11, False)
    locks, ends = ([(mode, byte, False) for byte in (0, 1)] for mode in (effects.READ, model.END))
    other = [(effects.READ, 11, False), (effects.LOOK_WRITE, 1, False), (model.END, 11, False)]
    found = {}
    for name, programs in (
        ("asks", [[*locks, asks, *ends], other]),
        ("forgets", [locks, other]),
    ):
        orders = model.all_orders(programs)
        found[name] = {text for order in orders for _, text in model.broken(programs, order, pairs)}
    assert found == {
        "asks": set(),
        "forgets": {"A holds 1 of f, shared, and B holds 11 of f, shared"},
    }


def test_a_predicate_is_asked_in_all_orders() -> None:
    """Two readers, whose order matters to nobody else, are run in each order."""
    reader = [(effects.READ, 0, False), (effects.READ, 1, False)]
    watch = Watch({}, "", lambda _: True, None)
    runs = model.explore(
        [reader, reader], AllOrders(), sees=lambda own: watch.sees(own, only_changes=False)
    )
    assert len([ran for ran, _ in runs if ran.end == "ended"]) == comb(6, 3)


def test_a_command_is_asked_after_each_step(orders: Orders) -> None:
    """By who holds what: the step that breaks it is marked, and its order leads there again."""
    programs = (locker("lock:1", "unlock:1"), locker("lock:2", "unlock:2"))
    given = ("--setup", "touch f", "--always", "test $(wc -l) -lt 2")
    done = orders(*given, *programs)
    assert done.returncode == 1
    wrong = [text for text in outcomes(done.stdout) if "  broken: test $(wc -l) -lt 2\n" in text]
    assert len(wrong) == 1
    assert "B: lock 2 of f, read: ok - broken: test $(wc -l) -lt 2\n" in wrong[0]
    order = re.findall(r"order: (.*) \(", wrong[0])[0]
    again = orders(*given, "--order", order, *programs)
    assert again.returncode == 1
    assert "B: lock 2 of f, read: ok - broken: test $(wc -l) -lt 2\n" in again.stdout


def test_what_is_not_so_at_first_is_told(orders: Orders) -> None:
    done = orders("--always", "test -e f", "true")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "goldlock orders: test -e f: not so when all have been started\n"


@pytest.mark.parametrize(
    ("call", "said"),
    [
        ('{"A": "true"}, always=lambda state: state.no', "<lambda>: {place}: AttributeError: "),
        ('{"A": "true"}, always=lambda _: open("no")', "<lambda>: {place}: FileNotFoundError: "),
        ('{str(i): "true" for i in range(9)}', "orders are of 1 to 8 programs, not 9\n"),
        ("{}", "orders are of 1 to 8 programs, not 0\n"),
    ],
)
def test_a_mistake_in_a_case_is_told_with_its_place(tmp_path: Path, call: str, said: str) -> None:
    done = run_script(tmp_path, f"def main(case):\n    case.orders({call})")
    place = f"{tmp_path}/1.py:3"
    assert f"{place}: {said.format(place=place)}" in done.stdout


def test_two_have_a_lock_file_that_was_removed(orders: Orders) -> None:
    """One waits for a lock on the file that the other one removes; a third one makes it anew."""
    done = orders(
        "--holders", "--setup", "touch f",
        "one: flock f rm f", "two: flock f true", "three: sh -c 'flock g true; flock f true'",
    )  # fmt: skip
    assert done.returncode == 1
    broken = "three holds all of f#1, exclusive, and two holds all of f, exclusive"
    assert f"  broken: {broken}\n" in done.stdout
    assert f'three.3: flock of "f#1", exclusive waiting: ok - broken: {broken}\n' in done.stdout


@pytest.mark.parametrize(
    ("locks", "kind"),
    [
        (["write:101"], "exclusive"),
        (["lock:101"], "shared"),
        (["lock:100", "lock:101"], "shared"),  # which are one lock of the kernel's
    ],
)
def test_bytes_of_a_kit_exclude_each_other(orders: Orders, locks: list[str], kind: str) -> None:
    """Of QEMU: who has locked a byte, and does not ask for the other one, is told of."""
    given = ("--holders", "--kit", "qemu", "--setup", "touch f", "--outcome", "true")
    asks = locker("lock:201", "test:101")
    done = orders(*given, asks, locker(*locks))
    assert done.returncode == 1
    assert f"  broken: A holds 201 of f, shared, and B holds 101 of f, {kind}\n" in done.stdout
    done = orders(*given, asks, locker(*locks, "test:201"))
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("other", ["qemu-io -r -c q t", "qemu-io -c q t"])
def test_qemu_breaks_nothing(orders: Orders, other: str) -> None:
    """Who is told that a byte is taken gives up, and unlocks its own bytes one by one."""
    need("qemu-img", "qemu-io")
    given = ("--holders", "--kit", "qemu", "--setup", "qemu-img create -q -f qcow2 t 1M")
    done = orders(*given, "--switches", "1", other, "qemu-io -c q t")
    assert (done.returncode, done.stderr) == (0, "")
    assert 'Failed to get "write" lock' in done.stdout
