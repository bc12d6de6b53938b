# SPDX-License-Identifier: GPL-2.0-or-later
"""A fault that is at work: which calls it is about, and how many of them it made fail."""

from goldlock.kernel_locks import overlap
from goldlock.lockcalls import PAUSED
from goldlock.lockcalls.files import FileCall
from goldlock.lockcalls.holders import program_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from goldlock.lockcalls.calls import Call
    from goldlock.lockcalls.plan import Fault
    from goldlock.lockcalls.plan_calls import Calls


def matches(calls: "Calls", call: "Call") -> bool:
    """Return whether a call that is held is one of those that are meant."""
    return (
        calls.call == call.call
        and (calls.span is None or _is_there(calls, call, *calls.span))
        and (calls.image is None or call.is_on(calls.image))
        and (calls.to is None or (isinstance(call, FileCall) and call.is_to(calls.to)))
        and (calls.program is None or calls.program == program_name(call.pid))
    )


def _is_there(calls: "Calls", call: "Call", first: int, last: int | None) -> bool:
    if calls.exactly:
        return (call.first, call.last) == (first, last)
    if calls.part:
        return overlap((call.first, call.last), (first, last))
    return call.covers(first, last)


class Rule:
    """A fault at work: how many calls it matched, and how many of them it made fail, or delayed.

    unread  how many could not be read meanwhile, so that nobody knows what they were
    """

    __slots__ = ("_calls", "fault", "hits", "key", "matched", "unread")

    def __init__(self, fault: "Fault", key: int) -> None:
        self.fault = fault
        self.key = key
        self._calls = fault.calls
        self.matched = 0
        self.hits = 0
        self.unread = 0

    def matches(self, call: "Call") -> bool:
        """Return whether the fault is about this call."""
        return matches(self._calls, call)

    def missed(self) -> str:
        """Return in a line that the fault made no call fail, though it should; or nothing."""
        if self.hits or self.fault.may_miss:
            return ""
        found = f"{self.matched} only" if self.matched else "none"
        found += f", but {self.unread} could not be read" if self.unread else ""
        way_out = 'write "may miss" behind it if that is in order'
        delay = self.fault.delay
        what = "was paused" if delay == PAUSED else "was delayed" if delay else "failed"
        return f"{self.fault}: no call {what}; of such calls there were {found}; {way_out}"

    def due(self) -> bool:
        """Return whether the call that was matched last is one that fails."""
        fault = self.fault
        return self.matched >= fault.nth and (fault.times is None or self.hits < fault.times)
