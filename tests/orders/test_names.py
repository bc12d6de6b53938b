# SPDX-License-Identifier: GPL-2.0-or-later
"""Which steps that change and look at names have to do with each other, beside brute force.

The programs exist on paper only: lists of calls on a few names, and of folders with files in them.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from goldlock.orders import effects
from goldlock.orders.data import data_effect
from goldlock.orders.effects import Effect, Step
from goldlock.orders.jobs import Job, Ran, Search, still_asleep
from goldlock.orders.looks import LAST
from goldlock.orders.names import name_effect, only_looks
from goldlock.orders.search import AllOrders
from hypothesis import given, settings
from hypothesis import strategies as st

Operation = tuple[str, str, str]
"""A call, its name, and the new name of a rename."""
NAMES = ("d", "d/f", "e", "e/f")
CALLS = ("open", "create", "mkdir", "unlink", "rmdir", "rename", "stat", "access", "read")
CALLS += ("truncate", "append")
OPERATIONS = st.tuples(st.sampled_from(CALLS), st.sampled_from(NAMES), st.sampled_from(NAMES))
PROGRAMS = st.lists(st.lists(OPERATIONS, min_size=1, max_size=4), min_size=2, max_size=3)
FOLDER = "folder"


class File(NamedTuple):
    """A file: by whom it was made, with which step, and how long it is."""

    maker: str
    size: int = 0


class State(NamedTuple):
    """What each program will do, what there is, and the results of each program."""

    todo: tuple[tuple[Operation, ...], ...]
    tree: frozenset[tuple[str, "File | str"]]
    results: tuple[tuple[str, ...], ...]

    def ready(self) -> dict[str, str]:
        return {"ABC"[who]: " ".join(todo[0]) for who, todo in enumerate(self.todo) if todo}

    def go(self, actor: str) -> "tuple[State, Step]":
        who = "ABC".index(actor)
        operation, *rest = self.todo[who]
        tree = dict(self.tree)
        own = tuple(_effects(tree, *operation))
        done = self.results[who]
        result = _carried_out(tree, f"{actor}{len(done)}", *operation)
        step = Step(actor, " ".join(operation), result, own)
        return State(
            (*self.todo[:who], tuple(rest), *self.todo[who + 1 :]),
            frozenset(tree.items()),
            (*self.results[:who], (*done, result), *self.results[who + 1 :]),
        ), step


def _effects(tree: dict[str, "File | str"], call: str, name: str, to: str) -> Iterator[Effect]:
    """Yield what names.py and data.py say of such a call."""
    looks = call in ("stat", "access", "read", "truncate", "append")
    in_folder = tree.get(name.rpartition("/")[0], FOLDER) == FOLDER
    looks = looks or only_looks(call, is_there=name in tree or not in_folder)
    names = (name, to) if call == "rename" else (name,)
    for each in names:
        yield from name_effect(each, changes=not looks)
    for each in names if call == "rename" else ():
        yield data_effect(each, effects.WRITE)
    if call == "stat":
        yield data_effect(name, effects.LOOK_READ, LAST)
    elif call in ("open", "create", "read"):
        yield data_effect(name, effects.LOOK_READ)
    elif call == "truncate":
        yield data_effect(name, effects.WRITE)
    elif call == "append":
        found = tree.get(name)
        yield data_effect(name, effects.WRITE, found.size if isinstance(found, File) else 0)


def _carried_out(tree: dict[str, "File | str"], label: str, call: str, name: str, to: str) -> str:
    """Do as the kernel does; return what a program sees of it."""
    if tree.get(name.rpartition("/")[0], FOLDER) != FOLDER:
        return "no folder"
    found = tree.get(name)
    if call in ("create", "mkdir") and found:
        return "EEXIST"
    if call in ("open", "create", "mkdir") and not found:
        tree[name] = FOLDER if call == "mkdir" else File(label)
        return "made"
    if not found:
        return "ENOENT"
    return _renamed(tree, name, to) if call == "rename" else _on_what_is_there(tree, call, name)


def _on_what_is_there(tree: dict[str, "File | str"], call: str, name: str) -> str:
    found = tree[name]
    is_folder = not isinstance(found, File)
    if call in ("unlink", "rmdir"):
        is_full = any(each.startswith(f"{name}/") for each in tree)
        if is_folder != (call == "rmdir") or is_full:
            return "refused"
        del tree[name]
        return "gone"
    if isinstance(found, File) and call in ("truncate", "append"):
        tree[name] = found._replace(size=0 if call == "truncate" else found.size + 1)
        return "ok"
    return "there" if call == "access" or is_folder else str(found)


def _renamed(tree: dict[str, "File | str"], name: str, to: str) -> str:
    below = {each for each in tree if each.startswith(f"{to}/")}
    is_folder = tree[name] == FOLDER
    if tree.get(to.rpartition("/")[0], FOLDER) != FOLDER or to.startswith(f"{name}/"):
        return "refused"
    if name == to or below or (to in tree and (tree[to] == FOLDER) != is_folder):
        return "refused"
    for each in [each for each in tree if each == name or each.startswith(f"{name}/")]:
        tree[to + each.removeprefix(name)] = tree.pop(each)
    return "renamed"


def _start(programs: Sequence[Sequence[Operation]]) -> State:
    there = frozenset({("d", FOLDER), ("d/f", File("", 1))})
    return State(tuple(map(tuple, programs)), there, ((),) * len(programs))


def _play(start: State, job: Job) -> tuple[Ran, State]:
    """Run a job as goldlock.orders.play does."""
    state, steps, states, sleep, last = start, [], [], job.sleep, ""
    while True:
        able = state.ready()
        states.append(able)
        awake = [each for each in sorted(able) if each not in sleep]
        if len(steps) < len(job.prefix):
            actor, text = job.prefix[len(steps)]
            assert able.get(actor) == text, "diverged"
        elif not awake:
            return Ran(tuple(steps), tuple(states), "cut" if able else "ended"), state
        else:
            actor = last if last in awake else awake[0]
        state, step = state.go(actor)
        if len(steps) >= len(job.prefix) - 1:
            sleep = still_asleep(sleep, step)
        steps.append(step)
        last = actor


def _found(start: State, search: Search) -> tuple[set[State], int]:
    """Return the ends of the orders that a search wants, and how many it wants."""
    ends, runs = set(), 0
    while job := search.next_job():
        ran, state = _play(start, job)
        search.add(job, ran)
        runs += 1
        if ran.end == "ended":
            ends.add(state)
    return ends, runs


def _by_brute_force(start: State) -> set[State]:
    seen, todo = {start}, [start]
    while todo:
        state = todo.pop()
        new = {state.go(actor)[0] for actor in state.ready()} - seen
        seen |= new
        todo += new
    return {state for state in seen if not state.ready()}


@settings(max_examples=150, deadline=None)
@given(PROGRAMS)
def test_all_that_calls_on_names_come_to_is_found(programs: list[list[Operation]]) -> None:
    start = _start(programs)
    assert _found(start, AllOrders())[0] == _by_brute_force(start)


def test_looks_have_nothing_to_do_with_each_other() -> None:
    looks = [("stat", name, "") for name in NAMES] + [("read", "d/f", ""), ("open", "d/f", "")]
    assert _found(_start([looks, looks, looks]), AllOrders())[1] == 1


def test_who_is_told_a_size_looks_at_what_makes_a_file_longer() -> None:
    """And who asks only whether there is one does not."""
    for call, orders in (("stat", 2), ("access", 1)):
        assert (
            _found(_start([[(call, "d/f", "")], [("append", "d/f", "")]]), AllOrders())[1] == orders
        )
