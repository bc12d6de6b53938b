# SPDX-License-Identifier: GPL-2.0-or-later
"""Programs that exist on paper only: lists of lock calls, and what each order of them does.

An operation is (mode, byte, waits); the modes are those of effects, "end" unlocks. A program that
is refused a lock lets go of all that it has, a call for each, and ends, as QEMU does.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from goldlock.orders import effects
from goldlock.orders.effects import Effect, Step
from goldlock.orders.holders import Held, Holders
from goldlock.orders.jobs import Job, Ran, Search, still_asleep

Operation = tuple[str, int, bool]
Outcome = tuple[tuple[str, ...], ...]
END = "end"
EXIT = ("exit", 0, False)
STRONG = {effects.WRITE, effects.LOOK_WRITE}
LOCKS = {effects.READ, effects.WRITE}


class State(NamedTuple):
    """Where each program is: what it will do, what it has locked (byte, mode), its results."""

    todo: tuple[tuple[Operation, ...], ...]
    held: tuple[frozenset[tuple[int, str]], ...]
    results: Outcome


def start(programs: Sequence[Sequence[Operation]]) -> State:
    none: frozenset[tuple[int, str]] = frozenset()
    todo = tuple((*operations, EXIT) for operations in programs)
    return State(todo, (none,) * len(programs), ((),) * len(programs))


def refused(state: State, who: int) -> bool:
    mode, byte, _ = state.todo[who][0]
    others = [lock for i, held in enumerate(state.held) for lock in held if i != who]
    return any(b == byte and (m == effects.WRITE or mode in STRONG) for b, m in others)


def ready(state: State) -> dict[str, str]:
    """Return who can go, and with what."""
    found = {}
    for who, todo in enumerate(state.todo):
        if todo and not (todo[0][2] and todo[0][0] in LOCKS and refused(state, who)):
            found["ABC"[who]] = f"{todo[0][0]} {todo[0][1]}"
    return found


def go(state: State, actor: str) -> tuple[State, Step]:
    who = "ABC".index(actor)
    (mode, byte, waits), *rest = state.todo[who]
    held = set(state.held[who])
    before = frozenset(held)
    result = "ok"
    own = () if mode in (END, "exit") else (Effect("f", byte, byte, mode),)
    if mode == "exit":
        held = set()
    elif mode == END:
        held = {lock for lock in held if lock[0] != byte}
    elif mode in LOCKS and not refused(state, who):
        held = {lock for lock in held if lock[0] != byte} | {(byte, mode)}
    else:
        result = "refused" if refused(state, who) else "free"
        if mode in LOCKS:
            rest = [*((END, b, False) for b in sorted({b for b, _ in held})), EXIT]
    ends = {effects.READ: effects.END_READ, effects.WRITE: effects.END_WRITE}
    gone = tuple(Effect("f", b, last, ends[m]) for b, last, m in _ranges(before - held))
    step = Step(actor, f"{mode} {byte}", result, own + gone, waits)
    return State(
        (*state.todo[:who], tuple(rest), *state.todo[who + 1 :]),
        (*state.held[:who], frozenset(held), *state.held[who + 1 :]),
        (*state.results[:who], (*state.results[who], result), *state.results[who + 1 :]),
    ), step


def outcome(state: State) -> Outcome:
    """Return the results of each program; a deadlock has fewer of them than operations."""
    return state.results


def all_outcomes(programs: Sequence[Sequence[Operation]]) -> tuple[set[Outcome], int]:
    """Return what can come of the programs by brute force, and in how many orders."""
    counted: dict[State, int] = {}

    def orders(state: State) -> int:
        if state not in counted:
            able = ready(state)
            counted[state] = sum(orders(go(state, actor)[0]) for actor in able) if able else 1
        return counted[state]

    number = orders(start(programs))
    return {outcome(state) for state in counted if not ready(state)}, number


def outcomes_of_few_switches(programs: Sequence[Sequence[Operation]], limit: int) -> set[Outcome]:
    """Return by brute force what can come of so few switches from a program that could go on."""
    found: set[Outcome] = set()
    seen: set[tuple[State, str, int]] = set()
    todo = [(start(programs), "", 0)]
    while todo:
        state, last, used = todo.pop()
        if (state, last, used) in seen:
            continue
        seen.add((state, last, used))
        able = ready(state)
        if not able:
            found.add(outcome(state))
        for actor in able:
            more = used + (last not in ("", actor) and last in able)
            if more <= limit:
                todo.append((go(state, actor)[0], actor, more))
    return found


Sees = Callable[[Sequence[Effect]], Iterator[Effect]]


def nothing(_: Sequence[Effect]) -> Iterator[Effect]:
    """Yield no more effects of a step than it has."""
    yield from ()


def held(state: State) -> list[Held]:
    """Return what programs hold in a state."""
    return [
        Held("ABC"[who], "f", first, last, mode == effects.WRITE)
        for who, locks in enumerate(state.held)
        for first, last, mode in _ranges(locks)
    ]


def _ranges(locks: Iterable[tuple[int, str]]) -> list[tuple[int, int, str]]:
    """Return locks as the kernel has them: those of bytes side by side are one."""
    ranges: list[tuple[int, int, str]] = []
    for byte, mode in sorted(locks):
        first = byte
        if ranges and ranges[-1][1:] == (byte - 1, mode):
            first = ranges.pop()[0]
        ranges.append((first, byte, mode))
    return ranges


def broken(
    programs: Sequence[Sequence[Operation]], actors: Sequence[str], pairs: Mapping[int, int]
) -> set[tuple[int, str]]:
    """Return what holders break in an order, and with which step."""
    state, look = start(programs), Holders(pairs)
    found: set[tuple[int, str]] = set()
    for number, actor in enumerate(actors):
        state, step = go(state, actor)
        result = "held by another" if step.result == "refused" else step.result
        found.update(look.look(number, step._replace(result=result), actor, held(state)))
    return found


def all_orders(programs: Sequence[Sequence[Operation]]) -> Iterator[list[str]]:
    """Yield each order, by brute force."""
    todo: list[tuple[State, list[str]]] = [(start(programs), [])]
    while todo:
        state, actors = todo.pop()
        able = ready(state)
        if not able:
            yield actors
        todo += [(go(state, actor)[0], [*actors, actor]) for actor in able]


def play(
    programs: Sequence[Sequence[Operation]], job: Job, sees: Sees = nothing
) -> tuple[Ran, Outcome]:
    """Run a job as goldlock.orders.play does."""
    state, steps, states = start(programs), [], []
    sleep, last = job.sleep, ""
    while True:
        able = ready(state)
        states.append(able)
        if len(steps) < len(job.prefix):
            actor, text = job.prefix[len(steps)]
            assert able.get(actor) == text, "diverged"
        else:
            awake = [each for each in sorted(able) if each not in sleep]
            if not awake:
                break
            actor = last if last in awake else awake[0]
        state, step = go(state, actor)
        step = step._replace(effects=(*step.effects, *sees(step.effects)))
        if len(steps) >= len(job.prefix) - 1:
            sleep = still_asleep(sleep, step)
        steps.append(step)
        last = actor
    tries = {
        "ABC"[who]: Effect("f", todo[0][1], todo[0][1], todo[0][0])
        for who, todo in enumerate(state.todo)
        if todo and "ABC"[who] not in able
    }
    waiting = {actor: (effect, *sees([effect])) for actor, effect in tries.items()}
    end = "cut" if able else "deadlock" if waiting else "ended"
    return Ran(tuple(steps), tuple(states), end, waiting), outcome(state)


def explore(
    programs: Sequence[Sequence[Operation]],
    search: Search,
    jobs: int = 1,
    sees: Sees = nothing,
    is_lost: Callable[[Job], bool] = lambda _: False,
) -> Iterator[tuple[Ran, Outcome]]:
    """Yield what comes of each order that a search wants, with so many at the same time.

    Those that are lost come by another way.
    """
    running: list[Job] = []
    while True:
        while len(running) < jobs and (job := search.next_job()):
            running.append(job)
        if not running:
            return
        job = running.pop(0)
        if is_lost(job):
            search.lost(job)
            continue
        ran, end = play(programs, job, sees)
        search.add(job, ran)
        yield ran, end
