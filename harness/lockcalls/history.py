# SPDX-License-Identifier: GPL-2.0-or-later
"""Who held which lock from when to when, from the events of a trace (`goldlock.lockcalls.events`).

Pure: nothing here asks the kernel. No event tells that a lock has gone with its descriptor; that
is known when the process ends, or when another gets a lock that this one would have refused.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from goldlock.kernel_locks import Span, overlap

SHARED = ("read", "shared")

_MAKES = ("create", "mkdir", "symlink", "link")
_REMOVES = ("unlink", "rmdir", "rename")
"""Calls by which programs lock by files: a name that one has made, no other can make."""


def without(span: Span, gone: Span) -> Iterator[Span]:
    """Yield what is left of a range of bytes, which overlaps with another, without that one."""
    (first, last), (gone_first, gone_last) = span, gone
    if first < gone_first:
        yield first, gone_first - 1
    if gone_last is not None and (last is None or last > gone_last):
        yield gone_last + 1, last


@dataclass(frozen=True, slots=True)
class Row:
    """One thing that happened: *time* in nanoseconds, *mark* what it was.

    *mark* is ``ok``, ``refused``, ``waits``, ``injected``, ``other`` or ``ended``; *by* are the
    processes whose locks were in the way.
    """

    time: int
    pid: int
    text: str
    mark: str
    by: tuple[int, ...] = ()


@dataclass(slots=True)
class Hold:
    """A lock that was held: from the row *since* to the row *until*, or to the end.

    *last* is None for the end of the file. Where not *sure*, it was let go at some time before
    *until*, by closing the file.
    """

    pid: int
    path: str
    system: str
    kind: str
    first: int
    last: int | None
    name: str
    since: int
    until: int | None = None
    sure: bool = True

    @property
    def span(self) -> Span:
        """Its range of bytes."""
        return self.first, self.last

    def conflicts(self, other: "Hold") -> bool:
        """Return whether the two cannot be held at a time, by two processes."""
        systems = {self.system, other.system}
        return (
            self.path == other.path
            and (len(systems) == 1 or not systems & {"flock", "file"})
            and not (self.kind in SHARED and other.kind in SHARED)
            and overlap(self.span, other.span)
        )


@dataclass
class History:
    """All that has happened so far: rows in their order, and locks in the order of their begin.

    *programs* has the names of the processes by their pids, in the order of their first call.
    """

    rows: list[Row] = field(default_factory=list)
    holds: list[Hold] = field(default_factory=list)
    programs: dict[int, str] = field(default_factory=dict)
    _calls: dict[int, Mapping[str, Any]] = field(default_factory=dict)
    """Those whose end may be told yet, by their ids: of locks that wait, of files, ..."""
    _changed: dict[int, tuple[list[Hold], list[Hold]]] = field(default_factory=dict)
    """... and what each of a file has let go, and taken."""
    _open: list[Hold] = field(default_factory=list)

    def add(self, event: Mapping[str, Any]) -> Row:
        """Take an event in; return what it says."""
        if "id" not in event:
            return self._row(event["time"], 0, event["text"], "other")
        call = self._calls.pop(event["id"], event)
        self.programs.setdefault(call["pid"], call["program"])
        mark, by = _mark(event["result"]), {int(pid): n for pid, n in event.get("by", {}).items()}
        for pid, name in by.items():
            self.programs.setdefault(pid, name)
        if mark == "waits" or (mark == "ok" and call["system"] == "file"):
            self._calls[event["id"]] = call
        if mark == "ok":
            self._carry_out(call, _hold(call, len(self.rows)))
        elif event["result"] == "not done":
            self._take_back(*self._changed.pop(event["id"]))
        result = re.sub(r" \((held|created) by .*\)| by .*", "", event["result"])
        return self._row(event["time"], call["pid"], f"{call['text']}: {result}", mark, (*by,))

    def held_by(self, pid: int) -> list[Hold]:
        """Return the locks that a process has got and not let go."""
        return [hold for hold in self._open if hold.pid == pid]

    def end(self, pid: int, time: int, inherited: Sequence[Hold] = ()) -> Row:
        """Note that a process has ended, and its locks with it, but for those *inherited*."""
        for hold in self.held_by(pid):
            if hold.system == "file":
                continue  # that stays
            if hold in inherited:
                hold.sure = False
            else:
                self._let_go(hold)
        files = ", ".join(hold.path for hold in inherited)
        goes_on = f"; a process that it had the open file from, or gave it to, still locks {files}"
        return self._row(time, pid, f"has ended{goes_on if files else ''}", "ended")

    def _row(self, time: int, pid: int, text: str, mark: str, by: tuple[int, ...] = ()) -> Row:
        self.rows.append(Row(time, pid, text, mark, by))
        return self.rows[-1]

    def _carry_out(self, call: Mapping[str, Any], wanted: Hold) -> None:
        if call["system"] == "file":
            there = [h for h in self._open if h.system == "file" and h.path == call["path"]]
            gone = there if call["call"] in _REMOVES else []
            made = [replace(wanted, path=call["to"], kind="file")] * (call["call"] in _MAKES)
            self._changed[call["id"]] = gone, made
            for each in gone:
                self._let_go(each)
            for each in made:
                self._take(each)
            return
        if call["call"] not in ("lock", "unlock", "flock", "flock unlock"):
            return
        self._cut(wanted)
        if wanted.kind != "unlock":
            for other in [h for h in self._open if h.pid != wanted.pid and h.conflicts(wanted)]:
                self._let_go(other, sure=False)
            self._take(wanted)

    def _take_back(self, gone: Sequence[Hold], made: Sequence[Hold]) -> None:
        """Undo what a call was said to do to files, and has not done."""
        for hold in made:
            self.holds = [each for each in self.holds if each is not hold]
            self._open = [each for each in self._open if each is not hold]
        for hold in gone:
            hold.until = None
            self._open.append(hold)

    def _cut(self, wanted: Hold) -> None:
        """End what the process has held of that range, but not what it has beside it."""
        owner = (wanted.pid, wanted.path, wanted.system)
        mine = [hold for hold in self._open if (hold.pid, hold.path, hold.system) == owner]
        for hold in [hold for hold in mine if overlap(hold.span, wanted.span)]:
            self._let_go(hold)
            for first, last in without(hold.span, wanted.span):
                rest = replace(hold, first=first, last=last, since=len(self.rows), until=None)
                self._take(rest)

    def _take(self, hold: Hold) -> None:
        self.holds.append(hold)
        self._open.append(hold)

    def _let_go(self, hold: Hold, *, sure: bool = True) -> None:
        hold.until, hold.sure = len(self.rows), sure
        self._open = [each for each in self._open if each is not hold]


def _hold(call: Mapping[str, Any], row: int) -> Hold:
    keys = ("pid", "path", "system", "kind", "first", "last", "name")
    return Hold(**{key: call[key] for key in keys}, since=row)


def _mark(result: str) -> str:
    if result.endswith("(injected)"):
        return "injected"
    if result.startswith("waits"):
        return "waits"
    if result.rstrip("?") in ("ok", "created"):
        return "ok"
    refused = result.startswith(("EAGAIN", "EACCES", "EEXIST", "held"))
    return "refused" if refused else "other"
