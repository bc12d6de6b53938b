# SPDX-License-Identifier: GPL-2.0-or-later
"""The supervisor: decides each lock call of a tree of programs, one after the other."""

import errno
from _thread import allocate_lock  # the package threading takes 2 ms to load

from goldlock.linux import errno_name
from goldlock.lockcalls import MISSED, PAUSED, UNWRITTEN, abi
from goldlock.lockcalls.calls import Call, LockCall, OtherCallError, UncertainError
from goldlock.lockcalls.file_log import FileLog
from goldlock.lockcalls.file_numbers import IO_URING_SETUP
from goldlock.lockcalls.files import FileCall
from goldlock.lockcalls.holders import program_name
from goldlock.lockcalls.posix import Unsettled
from goldlock.lockcalls.reading import read_call
from goldlock.lockcalls.rule import Rule
from goldlock.lockcalls.seccomp import Listener, Notification
from goldlock.lockcalls.standing import Standing
from goldlock.lockcalls.waits import LOOK_AGAIN, Waits

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from goldlock.lockcalls.plan import Fault
    from goldlock.lockcalls.trace import Trace


class Supervisor:
    """Answers the calls of one listener by the faults that are set at that moment.

    Every fault counts the calls that it is about; the first one that is due makes it fail. Any
    thread may serve, set faults, and take them away.
    """

    def __init__(
        self, listener: Listener, trace: "Trace | None" = None, *, files: bool = False
    ) -> None:
        self._listener = listener
        self.sees_files = files
        """Whether the listener has calls by files' names."""
        self._trace = trace
        self._rules: dict[int, Rule] = {}
        self._rules_at_rest = allocate_lock()
        self._last_key = 0
        self._unsettled = Unsettled()
        self._files = FileLog(lambda recorded, result: self._tell([(recorded, result)]))
        self._waits = Waits()
        self._standing = Standing()
        self._is_blind = False
        self.on_wait: Callable[[], object] = bool
        """Called when a call begins to wait, or stands still, so that somebody looks again."""

    def add(self, fault: "Fault") -> int:
        """Set a fault, after the others; return the key that clear() wants."""
        with self._rules_at_rest:
            self._last_key += 1
            self._rules[self._last_key] = Rule(fault, self._last_key)
            return self._last_key

    def clear(self, key: int) -> Rule:
        """Take a fault away; return what became of it.  KeyError: no such fault.

        Calls that it has paused go on.
        """
        with self._rules_at_rest:
            rule = self._rules.pop(key)
            for notification in self._standing.let_go(key):
                self._look_at(notification, self._carry_out)
            return rule

    def hits(self, key: int) -> int:
        """Return how many calls a fault has been about so far.  KeyError: no such fault."""
        with self._rules_at_rest:
            return self._rules[key].hits

    def missed(self) -> list[str]:
        """Return a line for each fault that made no call fail up to now, though it should."""
        with self._rules_at_rest:
            return [line for rule in self._rules.values() if (line := rule.missed())]

    def complaints(self) -> tuple[int, list[str]]:
        """Return what is to be said at the end, with the exit status that goes with it; 0: none."""
        missed = self.missed()
        if self._trace and self._trace.problem:
            return UNWRITTEN, [self._trace.problem, *missed]
        return MISSED if missed else 0, missed

    def look_again(self) -> int | None:
        """Return after how many milliseconds to call `settle` again; None: no need."""
        standing = self._standing.next_due()
        if not self._waits:
            return standing
        return LOOK_AGAIN if standing is None else min(LOOK_AGAIN, standing)

    def settle(self) -> None:
        """Let calls go on that have stood still for long enough.

        Write into the trace how calls that waited have ended, as far as they have.
        """
        with self._rules_at_rest:
            for notification in self._standing.due():
                self._look_at(notification, self._carry_out)
            self._tell(self._waits.ended())
            self._files.all_calls()

    def lock_files(self, folder: str, after: str) -> list[str]:
        """Return a line for each lock file below a folder: see FileLog.lines_of_locks()."""
        with self._rules_at_rest:
            return self._files.lines_of_locks(folder, after)

    @property
    def decides(self) -> bool:
        """Whether calls are looked at, for a fault or for the trace, before they go on."""
        return bool(self._rules) or self._trace is not None

    def serve(self, listener: Listener | None = None) -> bool:
        """Wait for a call and answer it; return whether there was one.

        A call whose process is gone is none. A thread that serves has a *listener* of its own.
        """
        listener = listener or self._listener
        if not listener.wait():
            return False
        if not self.decides:  # a fault that comes now is for later calls
            listener.pass_on()
        else:
            with self._rules_at_rest:
                self.decide(listener.call())
        return True

    def decide(self, notification: Notification) -> None:
        """Answer a call that was received."""
        self._tell(self._waits.ended(notification.tid))
        self._files.next_call(notification.tid)
        if notification.number & ~abi.X32_BIT == IO_URING_SETUP:
            self._say_unseen(notification, "io_uring: what it does by it is")
            self._listener.let_through(notification)
            return
        self._look_at(notification, self._answer)

    def _look_at(
        self, notification: Notification, act: "Callable[[Notification, Call], object]"
    ) -> None:
        """Read a call, and do with it what is to be done."""
        try:
            call = read_call(notification)
        except OtherCallError:
            self._listener.let_through(notification)
            return
        except (OSError, ValueError) as problem:
            self._unreadable(notification, problem)
            return
        try:
            if self._listener.valid(notification):  # else its tid may be another's by now
                act(notification, call)
        except OSError:  # gone, or its memory is: let the kernel find out
            self._listener.let_through(notification)
        finally:
            call.close()

    def _unreadable(self, notification: Notification, problem: Exception) -> None:
        """Let a call through that is no lock call, or that the kernel refuses anyway."""
        reason = errno_name(problem.errno or 0) if isinstance(problem, OSError) else str(problem)
        unseen = isinstance(problem, (PermissionError, FileNotFoundError))
        if unseen and self._listener.valid(notification):  # it may come between others
            self._is_blind = True
            for rule in self._rules.values():
                rule.unread += 1
        self._say_unseen(notification, f"lock call that cannot be read ({reason}):")
        self._listener.let_through(notification)

    def _say_unseen(self, notification: Notification, what: str) -> None:
        if self._trace is not None and self._listener.valid(notification):
            self._trace.write(f"{program_name(notification.tid)}: {what} unseen")

    def _answer(self, notification: Notification, call: Call) -> None:
        rule = self._due(call)
        if rule is None:
            self._carry_out(notification, call)
        elif rule.fault.delay:
            self._stand_still(notification, call, rule)
        else:
            error = rule.fault.errno
            self._write(call, f"{errno_name(error)} (injected)")
            call.close()
            rule.hits += self._listener.answer(notification, error)

    def _stand_still(self, notification: Notification, call: Call, rule: Rule) -> None:
        delay = rule.fault.delay
        self._write(call, "paused" if delay == PAUSED else f"delayed {delay} ms (injected)")
        if delay == PAUSED:
            self._standing.pause(notification, rule.key)
        else:
            self._standing.add(notification, delay)
        rule.hits += 1
        self.on_wait()

    def _carry_out(self, notification: Notification, call: Call) -> None:
        """Have a call carried out that no fault is about, or that has stood still before it."""
        if call.performable:
            self._perform(notification, call)
        elif self._trace is None:
            self._let_through(notification, call, "")
        else:
            self._foretell(notification, call)

    def _due(self, call: Call) -> Rule | None:
        matching = [rule for rule in self._rules.values() if rule.matches(call)]
        for rule in matching:
            rule.matched += 1
        return next((rule for rule in matching if rule.due()), None)

    def _perform(self, notification: Notification, call: Call) -> None:
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

    def _let_through(self, notification: Notification, call: Call, result: str) -> None:
        if result:
            self._write(call, result)
        call.close()
        self._listener.let_through(notification)
        if self._waits and call.kind == "unlock":
            self._tell(self._waits.let_go(call.file))

    def _foretell(self, notification: Notification, call: Call) -> None:
        """Find out what the kernel will answer to a call that it carries out itself.

        A call that is refused for certain is answered: were it let through, another could be
        carried out before it, and it would succeed.
        """
        is_file = isinstance(call, FileCall)
        before = self._files if is_file else self._unsettled
        sure = before.settle(call) and call.sure and not self._is_blind
        error = 0
        try:
            result = self._told(call, call.foretell())
        except UncertainError:
            result = "unseen"
        except OSError as problem:
            error = problem.errno or 0
            result = self._refused(call, error)
        if error in call.refusals and sure and not call.waits:
            self._write(call, result)
            call.close()
            self._listener.answer(notification, error)
            return
        if not (is_file or error or result == "unseen"):
            self._unsettled.add(call)
        self._let_through(notification, call, result if sure or not result else f"{result}?")

    def _told(self, call: Call, result: str) -> str:
        names = call.holders() if self._trace and result == "held" else []
        return f"held by {' '.join(names)}" if names else result

    def _refused(self, call: Call, error: int) -> str:
        name = errno_name(error)
        if isinstance(call, FileCall):
            maker = self._files.maker(call.keys[-1]) if error == errno.EEXIST else None
            call.in_the_way = maker.pid if maker else None
            return f"{name} (created by {maker.program})" if maker else name
        if error != errno.EAGAIN or not self._trace:
            return name
        names = call.holders()
        by = f" ({call.hold} {' '.join(names)})" if names else ""
        return f"waits{by}" if call.waits else f"{name}{by}"

    def _tell(self, ended: "Iterable[tuple[str, str]]") -> None:
        for recorded, result in ended:
            if self._trace is not None:
                self._trace.record_end(recorded, result)

    def _write(self, call: Call, result: str) -> None:
        if self._trace is not None:
            recorded = self._trace.record(call, result)
            if isinstance(call, FileCall):
                self._files.begin(call, recorded, result)
            elif isinstance(call, LockCall) and result.startswith("waits"):
                self._waits.begin(call, recorded)
                self.on_wait()
