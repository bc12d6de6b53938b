# SPDX-License-Identifier: GPL-2.0-or-later
"""Who held what from when to when, from events alone."""

from typing import Any

from goldlock.lockcalls.history import History, Hold


class Events:
    """Makes events of two processes, one after the other."""

    def __init__(self) -> None:
        self.history = History()

    def __call__(self, pid: int, call: str, first: int, last: int | None, **more: Any) -> Hold:
        number = len(self.history.rows)
        event = {
            "id": number,
            "time": number * 1000,
            "pid": pid,
            "program": f"p{pid}",
            "call": call,
            "kind": "unlock" if call.endswith("unlock") else "write",
            "system": "OFD",
            "path": "f",
            "first": first,
            "last": last,
            "name": "",
            "text": f"{call} {first}",
            "result": "ok",
            **more,
        }
        self.history.add(event)
        return self.history.holds[-1]

    def held(self) -> list[tuple[int, int, int | None]]:
        return [(h.pid, h.first, h.last) for h in self.history.holds if h.until is None]


def test_an_unlock_in_the_middle_leaves_two_ends() -> None:
    events = Events()
    events(1, "lock", 0, None)
    events(1, "unlock", 10, 19)
    assert events.held() == [(1, 0, 9), (1, 20, None)]
    events(1, "unlock", 0, None)
    assert events.held() == []
    assert [(h.since, h.until) for h in events.history.holds] == [(0, 1), (1, 2), (1, 2)]


def test_what_another_gets_was_let_go_before() -> None:
    events = Events()
    mine = events(1, "lock", 5, 5)
    events(2, "lock", 6, 6)
    assert mine.until is None
    events(2, "lock", 0, 5)
    assert (mine.until, mine.sure) == (2, False)


def test_read_locks_do_not_refuse_each_other_nor_flocks_and_records() -> None:
    events = Events()
    events(1, "lock", 0, None, kind="read")
    events(2, "lock", 0, None, kind="read")
    events(2, "flock", 0, None, kind="exclusive", system="flock")
    assert len(events.held()) == 3


def test_a_wait_is_a_lock_from_its_end_on() -> None:
    events = Events()
    events(1, "lock", 7, 7)
    number = len(events.history.rows)
    events(2, "lock", 7, 7, result="waits (held by p1)", by={"1": "p1"})
    assert events.held() == [(1, 7, 7)]
    events(1, "unlock", 7, 7)
    row = events.history.add({"id": number, "time": 9, "result": "ok"})
    assert events.held() == [(2, 7, 7)]
    assert (row.pid, row.text, row.mark) == (2, "lock 7: ok", "ok")
    waits = events.history.rows[number]
    assert (waits.text, waits.mark, waits.by) == ("lock 7: waits", "waits", (1,))


def test_refusals_and_faults_hold_nothing() -> None:
    events = Events()
    events(1, "lock", 7, 7)
    for result in ("EAGAIN (held by p1)", "ENOLCK (injected)", "EBADF", "unseen"):
        events(2, "lock", 7, 7, result=result)
    assert [row.mark for row in events.history.rows[1:]] == [
        "refused", "injected", "other", "other"
    ]  # fmt: skip
    assert events.held() == [(1, 7, 7)]


def test_the_end_of_a_process_ends_its_locks() -> None:
    events = Events()
    events(1, "lock", 7, 7)
    events(2, "lock", 8, 8)
    assert events.history.end(1, 99).mark == "ended"
    assert events.held() == [(2, 8, 8)]


def test_a_flock_may_outlive_the_process_that_asked_for_it() -> None:
    events = Events()
    mine = events(1, "flock", 0, None, kind="exclusive", system="flock")
    row = events.history.end(1, 99, [mine])
    assert row.text.endswith("still locks f")
    assert (mine.until, mine.sure) == (None, False)


def test_what_a_call_has_not_done_to_files_is_taken_back() -> None:
    events = Events()
    file = {"system": "file", "kind": "", "path": "d", "to": "d"}
    events(1, "mkdir", 0, None, **file)
    events(2, "rmdir", 0, None, **file, result="ok?")
    assert events.held() == []
    row = events.history.add({"id": 1, "time": 9, "result": "not done"})
    assert (row.pid, row.text, row.mark) == (2, "rmdir 0: not done", "other")
    assert events.held() == [(1, 0, None)]
    events.history.add({"id": 0, "time": 10, "result": "not done"})
    assert (events.held(), events.history.holds) == ([], [])


def test_a_lock_file_is_held_until_somebody_removes_it() -> None:
    events = Events()
    file = {"system": "file", "kind": "", "path": "f.lock", "to": "f.lock"}
    made = events(1, "create", 0, None, **file)
    events(2, "create", 0, None, **file, result="EEXIST (created by p1)", by={"1": "p1"})
    row = events.history.rows[-1]
    assert (row.text, row.mark, row.by) == ("create 0: EEXIST", "refused", (1,))
    events.history.end(1, 99)
    assert made.until is None
    events(2, "rename", 0, None, **{**file, "to": "f"})
    assert made.until == 3
