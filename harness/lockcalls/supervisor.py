# SPDX-License-Identifier: GPL-2.0-or-later
"""The supervisor: decides each lock call of a tree of programs, one after the other."""

# A supervisor starts ahead of short programs, and pathlib takes 5 ms to load:
# ruff: noqa: PTH116

import errno
import os
from _thread import allocate_lock  # the package threading takes 2 ms to load

from goldlock.linux import errno_name
from goldlock.lockcalls import seccomp
from goldlock.lockcalls.calls import FlockCall, LockCall, UncertainError
from goldlock.lockcalls.holders import program_name
from goldlock.lockcalls.posix import Unsettled
from goldlock.lockcalls.records import RecordCall
from goldlock.lockcalls.seccomp import Listener, Notification
from goldlock.lockcalls.waits import Waits

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

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
            and (fault.span is None or self._is_there(call, *fault.span))
            and (fault.image is None or _same_file(fault.image, call))
            and (fault.program is None or fault.program == program_name(call.pid))
        )

    def missed(self) -> str:
        """Return in a line that the fault made no call fail, though it should; or nothing."""
        if self.hits or self.fault.may_miss:
            return ""
        found = f"{self.matched} only" if self.matched else "none"
        way_out = 'write "may miss" behind it if that is in order'
        return f"{self.fault}: no call failed; of such calls there were {found}; {way_out}"

    def _is_there(self, call: LockCall, first: int, last: int | None) -> bool:
        if self.fault.exactly:
            return (call.first, call.last) == (first, last)
        return call.covers(first, last)

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


def _read(notification: Notification) -> LockCall:
    flock = notification.number in seccomp.FLOCK_NUMBERS.get(notification.arch, ())
    return FlockCall(notification) if flock else RecordCall(notification)


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
        self._unsettled = Unsettled()
        self._waits = Waits()
        self.on_wait: Callable[[], object] = bool
        """Called when a call begins to wait, so that somebody looks when it ends."""

    def add(self, fault: "Fault") -> int:
        """Set a fault, after the others; return the key that clear() wants."""
        with self._rules_at_rest:
            self._last_key += 1
            self._rules[self._last_key] = Rule(fault)
            return self._last_key

    def clear(self, key: int) -> Rule:
        """Take a fault away; return what became of it.  KeyError: no such fault."""
        with self._rules_at_rest:
            return self._rules.pop(key)

    def missed(self) -> list[str]:
        """Return a line for each fault that made no call fail up to now, though it should."""
        with self._rules_at_rest:
            return [line for rule in self._rules.values() if (line := rule.missed())]

    def waits(self) -> bool:
        """Return whether a call waits whose end the trace is to tell."""
        return bool(self._waits)

    def settle(self) -> None:
        """Write into the trace how calls that waited have ended, as far as they have."""
        with self._rules_at_rest:
            self._tell(self._waits.ended())

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
        self._tell(self._waits.ended(notification.tid))
        try:
            call = _read(notification)
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
            self._let_through(notification, call, self._foretold(call))

    def _due(self, call: LockCall) -> Rule | None:
        matching = [rule for rule in self._rules.values() if rule.matches(call)]
        for rule in matching:
            rule.matched += 1
        return next((rule for rule in matching if rule.due()), None)

    def _perform(self, notification: Notification, call: LockCall) -> None:
        if self._trace:
            self._unsettled.settle(call)
        try:
            result, error = self._told(call, call.perform()), 0
        except OSError as problem:
            error = problem.errno or 0
            result = self._refused(call, error)
            if call.waits and error == errno.EAGAIN:  # it is the program that shall wait
                self._let_through(notification, call, result)
                return
        self._write(call, result)
        if self._waits and call.kind == "unlock":  # before who has the lock now goes on for long
            self._tell(self._waits.let_go(call.file))
        call.close()
        self._listener.answer(notification, error)

    def _let_through(self, notification: Notification, call: LockCall, result: str) -> None:
        self._write(call, result)
        call.close()
        self._listener.let_through(notification)
        if self._waits and call.kind == "unlock":
            self._tell(self._waits.let_go(call.file))

    def _foretold(self, call: LockCall) -> str:
        """Return the result that the kernel will find for a call that it carries out itself."""
        if self._trace is None:
            return ""
        sure = self._unsettled.settle(call)
        try:
            result = self._told(call, call.foretell())
        except UncertainError:
            return "unseen"
        except OSError as problem:
            result = self._refused(call, problem.errno or 0)
        else:
            self._unsettled.add(call)
        return result if sure else f"{result}?"

    def _told(self, call: LockCall, result: str) -> str:
        names = call.holders() if self._trace and result == "held" else []
        return f"held by {' '.join(names)}" if names else result

    def _refused(self, call: LockCall, error: int) -> str:
        name = errno_name(error)
        if error != errno.EAGAIN or not self._trace:
            return name
        names = call.holders()
        by = f" (held by {' '.join(names)})" if names else ""
        return f"waits{by}" if call.waits else f"{name}{by}"

    def _tell(self, ended: "Iterable[tuple[str, str]]") -> None:
        for recorded, result in ended:
            if self._trace is not None:
                self._trace.record_end(recorded, result)

    def _write(self, call: LockCall, result: str) -> None:
        if self._trace is not None:
            recorded = self._trace.record(call, result)
            if result.startswith("waits"):
                self._waits.begin(call, recorded)
                self.on_wait()
