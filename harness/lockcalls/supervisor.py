# SPDX-License-Identifier: GPL-2.0-or-later
"""The supervisor: decides each lock call of a tree of programs, one after the other."""

# A supervisor starts ahead of short programs, and pathlib takes 5 ms to load:
# ruff: noqa: PTH116

import errno
import os
from _thread import allocate_lock  # the package threading takes 2 ms to load

from goldlock.linux import errno_name
from goldlock.lockcalls.calls import LockCall, program_name
from goldlock.lockcalls.seccomp import Listener, Notification

TYPE_CHECKING = False
if TYPE_CHECKING:
    from goldlock.lockcalls.plan import Fault
    from goldlock.lockcalls.trace import Trace


class Rule:
    """A fault at work: how many calls it matched, and how many of them it made fail."""

    __slots__ = ("fault", "hits", "matched")

    def __init__(self, fault: "Fault") -> None:
        self.fault = fault
        self.matched = 0
        self.hits = 0

    def matches(self, call: LockCall) -> bool:
        """Return whether the fault is about this call."""
        fault = self.fault
        return (
            fault.call == call.call
            and (fault.byte is None or call.covers(fault.byte))
            and (fault.image is None or _same_file(fault.image, call))
            and (fault.program is None or fault.program == program_name(call.pid))
        )

    def due(self) -> bool:
        """Return whether the call that was matched last is one that fails."""
        fault = self.fault
        return self.matched >= fault.nth and (fault.times is None or self.hits < fault.times)


def _same_file(image: str, call: LockCall) -> bool:
    try:
        status = os.stat(image)  # now, not before: the image may be made or replaced meanwhile
    except OSError:
        return False
    return (status.st_dev, status.st_ino) == call.file


class Supervisor:
    """Answers the calls of one listener by the faults that are set at that moment.

    Every fault counts the calls that it is about; the first one that is due makes it fail. One
    thread serves; any may set faults, and take them away.
    """

    def __init__(self, listener: Listener, trace: "Trace | None" = None) -> None:
        self._listener = listener
        self._trace = trace
        self._rules: dict[int, Rule] = {}
        self._rules_at_rest = allocate_lock()
        self._last_key = 0
        self._holders: set[int] = set()

    def add(self, fault: "Fault") -> int:
        """Set a fault, after the others; return the key that clear() wants."""
        with self._rules_at_rest:
            self._last_key += 1
            self._rules[self._last_key] = Rule(fault)
            return self._last_key

    def clear(self, key: int) -> int:
        """Take a fault away; return how many calls it made fail.  KeyError: no such fault."""
        with self._rules_at_rest:
            return self._rules.pop(key).hits

    def serve(self) -> bool:
        """Wait for a call and answer it; return whether there was one.

        A call whose process is gone is none.
        """
        if not self._listener.wait():
            return False
        if not self._rules and self._trace is None:  # a fault that comes now is for later calls
            self._listener.pass_on()
        else:
            with self._rules_at_rest:
                self.decide(self._listener.call())
        return True

    def decide(self, notification: Notification) -> None:
        """Answer a call that was received."""
        try:
            call = LockCall(notification)
        except (OSError, ValueError) as problem:
            self._unreadable(notification, problem)
            return
        try:
            if self._listener.valid(notification):  # else its tid may be another's by now
                self._answer(notification, call)
        except OSError:  # gone, or its memory is: let the kernel find out
            self._listener.let_through(notification)
        finally:
            call.close()

    def _unreadable(self, notification: Notification, problem: Exception) -> None:
        """Let a call through that is no lock call, or that the kernel refuses anyway."""
        if self._trace is not None and self._listener.valid(notification):
            reason = errno_name(getattr(problem, "errno", 0) or 0)
            reason = reason if isinstance(problem, OSError) else str(problem)
            name = program_name(notification.tid)
            self._trace.write(f"{name}: lock call that cannot be read ({reason}): unseen")
        self._listener.let_through(notification)

    def _answer(self, notification: Notification, call: LockCall) -> None:
        rule = self._due(call)
        if rule is not None:
            error = rule.fault.errno
            self._write(call, f"{errno_name(error)} (injected)")
            call.close()
            rule.hits += self._listener.answer(notification, error)
        elif call.performable:
            self._perform(notification, call)
        else:
            self._let_through(notification, call)

    def _due(self, call: LockCall) -> Rule | None:
        matching = [rule for rule in self._rules.values() if rule.matches(call)]
        for rule in matching:
            rule.matched += 1
        return next((rule for rule in matching if rule.due()), None)

    def _perform(self, notification: Notification, call: LockCall) -> None:
        try:
            result, error = self._result(call), 0
        except OSError as problem:
            error = problem.errno or 0
            result = errno_name(error)
            if call.waits and error == errno.EAGAIN:  # it is the program that shall wait
                self._let_through(notification, call)
                return
        self._write(call, result)
        call.close()
        self._listener.answer(notification, error)

    def _let_through(self, notification: Notification, call: LockCall) -> None:
        self._write(call, "unseen")
        call.close()
        self._listener.let_through(notification)

    def _result(self, call: LockCall) -> str:
        in_the_way = call.perform()
        if call.call == "lock":
            self._holders.add(call.pid)
        if call.call in ("lock", "unlock"):
            return "ok"
        if in_the_way is None:
            return "free"
        names = call.holders(self._holders) if self._trace else []
        return f"held by {' '.join(names)}" if names else "held"

    def _write(self, call: LockCall, result: str) -> None:
        if self._trace is not None:
            self._trace.record(call, result)
