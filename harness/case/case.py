# SPDX-License-Identifier: GPL-2.0-or-later
"""What a case script imports: start programs, show what they say, filtered.

    from goldlock.case.case import Case, run

    def story(case: Case) -> None:
        case.make_image(case.image, "32M")
        with case.holder("-drive", f"file={case.image},if=none"):
            case.section("A second writer must fail")
            case.show(case.qemu_io, "-c", "read 0 512", case.image)

    run(story)

All that a case prints goes to standard output; the runner holds it against the golden.
What the programs said before any filter is kept in a log of its own.
"""

import os
import subprocess
import sys
from collections.abc import Callable
from functools import cached_property, partial
from io import TextIOWrapper
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from goldlock import filters
from goldlock.case import exit_status, stack_dump
from goldlock.case.raw_log import Record
from goldlock.environment import Environment
from goldlock.errors import CaseError, NotRun, call_at_failures
from goldlock.filters import Filter
from goldlock.kits.qemu.environment import QemuEnvironment
from goldlock.lockcalls import FAULTS_VARIABLE, TRACE_VARIABLE

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from typing import TypeVar

    from goldlock.case.embedded_fork import Start
    from goldlock.case.machine import Hmp, Machine, Qmp
    from goldlock.case.parallel import Parts
    from goldlock.lockcalls.api import ActiveFaults

    M = TypeVar("M", bound=Machine)


class Completed(NamedTuple):
    """A program that ran to its end: its exit status (-N: ended by signal N), what it wrote."""

    status: int
    stdout: str
    stderr: str

    @property
    def text(self) -> str:
        """All that it wrote: standard output, then standard error."""
        return self.stdout + self.stderr


class Program:
    """A program under test. Call it with arguments, and it runs to its end.

    The options that the runner chose for the program go before the arguments; they are
    not part of what `echo` shows.
    """

    def __init__(
        self,
        name: str,
        command: list[str],
        record: Callable[[list[str], str], None],
        start: "Start",
    ) -> None:
        self.name = name
        self.command = command
        self._record = record
        self._start = start

    def __call__(self, *arguments: str, stdin: str = "") -> Completed:
        """Run the program on *arguments*, feed it *stdin*, and wait for its end.

        Only the program itself is waited for, not what it leaves in the background.
        Raises CaseError when it is not there.
        """
        argv = self.argv(*arguments)
        # Files, not pipes: a daemon that the program leaves behind keeps a pipe open.
        out, err = os.memfd_create("stdout"), os.memfd_create("stderr")
        try:
            source = subprocess.PIPE if stdin else subprocess.DEVNULL
            process = self._start(argv, stdin=source, stdout=out, stderr=err)
            if stdin:
                _feed(process, stdin)
            with stack_dump.waiting(f"{self.name} (pid {process.pid}) to end"):
                status = process.wait()
            done = Completed(status, _content(out), _content(err))
        except OSError as error:
            raise CaseError(f"cannot start {self.name}: {error}") from None
        finally:
            os.close(out)
            os.close(err)
        self._record(argv, f"{done.stdout}{done.stderr}[exit status {done.status}]\n")
        return done

    def argv(self, *arguments: str) -> list[str]:
        """Return the whole command line; raise CaseError when the program is not there."""
        if not self.command[0]:
            raise CaseError(
                f"{self.name} is not installed; with '# needs: {self.name}' in its header,"
                " the case is not run where it is missing"
            )
        return [*self.command, *arguments]

    def echo(self, *arguments: str) -> str:
        """Return the command as goldens show it: the name of qemu-iotests' wrapper, the arguments.

        An empty argument leaves its blank, as in a shell's ``echo "$@"``.
        """
        return " ".join((f"_{self.name.replace('-', '_')}_wrapper", *arguments))


class Case:
    """One run of a case: its directories, its programs, and its output."""

    def __init__(self, environment: Environment, script: str = "") -> None:
        self.environment = environment
        self.script = script
        self.record = Record(environment)
        self.number = environment.goldlock_case
        self.test_dir = environment.test_dir
        self.sock_dir = environment.sock_dir
        self.qemu_environment = of_qemu = QemuEnvironment.from_environ(os.environ)
        self.imgfmt = of_qemu.imgfmt
        self.imgproto = of_qemu.imgproto
        self.image = f"{self.test_dir}/t.{self.imgfmt}"
        """The path of the test image; it is the case's to create."""

        self._start: Start = subprocess.Popen
        if of_qemu.goldlock_embedded:
            from goldlock.case.embedded_fork import starter  # only for the embedded programs

            self._start = starter(of_qemu.goldlock_embedded)
        self.qemu_img = self._program("qemu-img")
        self.qemu_io = self._program("qemu-io")
        self.qemu_nbd = self._program("qemu-nbd")
        self.qemu = self._program("qemu", "qemu-system")
        self._lock_calls_read = 0
        self.parts: Parts | None = None
        """The parts of the block of `side_by_side` that the case is in; None outside of one."""
        self.as_the_whole: Filter | None = None
        """In a part that runs side by side: names the directories of the whole case."""

    # What the case shows

    def log(self, text: str = "", *with_filters: Filter) -> None:
        """Print *text*, filtered, with a line end if it has none; nothing for ``""`` filtered.

        ``log()`` prints an empty line. Beside parts, it waits for those before it.
        """
        if self.parts:
            self.parts.wait()
        if self.as_the_whole:
            text = self.as_the_whole(text)
        if with_filters:
            text = filters.compose(*with_filters)(text)
            if not text:
                return
        if not text.endswith("\n"):
            text += "\n"
        if "==" in text:
            self.record.headings(text)
        sys.stdout.flush()
        sys.stdout.buffer.write(text.encode("utf-8", "surrogateescape"))
        sys.stdout.buffer.flush()

    def section(self, heading: str) -> None:
        """Start a section: an empty line, then ``== heading ==``."""
        self.log(f"\n== {heading} ==", self.paths)

    def show(self, program: Program, *arguments: str) -> Completed:
        """Show a command, run it, and show what it complains about.

        Its standard output is dropped: it is the same whoever holds the image.
        """
        self.log()
        self.log(program.echo(*arguments), self.paths)
        done = program(*arguments)
        self.log(done.stderr, self.paths)
        return done

    def not_run(self, reason: str) -> NoReturn:
        """End the case: it cannot run here, for *reason*."""
        raise NotRun(reason)

    # Filters for this run

    @cached_property
    def paths(self) -> Filter:
        """Write ``TEST_DIR`` and ``SOCK_DIR`` for the directories of this run."""
        return filters.compose(
            filters.directory(self.test_dir, "TEST_DIR"),
            filters.directory(self.sock_dir, "SOCK_DIR"),
        )

    @cached_property
    def format(self) -> Filter:
        """Write ``IMGFMT`` for the image format of this run."""
        return filters.image_format(self.imgfmt)

    @cached_property
    def messages(self) -> Filter:
        """What qemu-system says: paths, and ``QEMU_PROG`` for its name."""
        return filters.compose(
            self.paths, filters.program(self.qemu_environment.qemu_prog), filters.carriage_returns
        )

    @cached_property
    def answers(self) -> Filter:
        """What a monitor says."""
        return filters.compose(
            self.messages,
            filters.node_names,
            filters.qemu_io,
            filters.qmp,
            filters.escaped_line_ends,
            filters.hmp,
        )

    @cached_property
    def holders(self) -> Filter:
        """What the lock table says: ``PID``, and ``QEMU_PROG`` for qemu-system's name."""
        return filters.holders(self.qemu_environment.qemu_prog)

    @cached_property
    def commands(self) -> Filter:
        """A monitor command as the case wrote it: on one line, paths and format by name."""
        return filters.compose(filters.one_line, self.paths, self.format)

    # What the case starts

    def make_image(self, path: str, size: str = "", *, backing: str = "") -> None:
        """Create an image at *path*, and show what qemu-img says of it.

        *size* is as qemu-img takes it (``32M``); an image on a *backing* file of the same
        format may do without.
        """
        base = ["-b", backing, "-F", self.imgfmt] if backing else []
        created = self.qemu_img("create", "-f", self.imgfmt, *base, path, *([size] if size else []))
        self.log(created.text, self.paths, self.format, filters.image_creation)

    def contender(self, *arguments: str, machine: str = "none") -> Completed:
        """Start a QEMU that opens what *arguments* name, and quits as soon as it has.

        Shows what it complains about. *machine* as in `holder`.
        """
        done = self.qemu(
            *_machine_options(machine), "-monitor", "stdio", *arguments, stdin="quit\n"
        )
        self.log(done.stderr, self.messages)
        return done

    def holder(self, *arguments: str, machine: str = "none") -> "Qmp":
        """Start a QEMU that opens what *arguments* name, and stays.

        Returns when its QMP monitor has greeted, with all of its images open. Use it in a
        ``with`` statement, whose end kills it. *machine* is ``none`` unless a device needs
        another; the empty string is QEMU's own default.

        Raises CaseError when it ends, or does not greet; the message holds what it printed.
        """
        from goldlock.case.machine import Qmp  # pexpect: only for the cases that talk

        argv = self.qemu.argv(
            *_machine_options(machine), "-monitor", "none", "-qmp", "stdio", *arguments
        )
        return self._staying(
            Qmp(
                argv,
                self._show_command,
                self._show_answer,
                self._record,
                self._start,
                self._wrapped,
            )
        )

    def human_monitor(self, *arguments: str, machine: str = "none") -> "Hmp":
        """Start a QEMU like `holder`, with a human monitor to talk to instead of QMP."""
        from goldlock.case.machine import Hmp  # as above

        argv = self.qemu.argv(*_machine_options(machine), "-monitor", "stdio", *arguments)
        return self._staying(
            Hmp(
                argv,
                self._show_command,
                self._show_answer,
                self._record,
                self._start,
                self._wrapped,
            )
        )

    def side_by_side(self) -> "Parts":
        """Run independent parts of the case at the same time, for the length of a ``with`` block.

            with case.side_by_side() as parts:
                for options in OPTIONS:
                    parts.start(one_round, options)

        runs ``one_round(case, options)`` for each, in a process of its own, where *case* has
        empty directories of its own. The output is that of one after the other.

        Raises CaseError inside a part.
        """
        if self.as_the_whole:
            raise CaseError("this part runs side by side with others already; it has no parts")
        from goldlock.case.parallel import Parts  # only for the cases that have them

        return Parts(self)

    # Locks

    def locks(self) -> str:
        """Return who holds which locks on files of this case, in words, a line each.

            t.qcow2: byte 201, nobody else may write: qemu-system-x86_64 (pid 7, holder)

        In the order of files and bytes; ``""`` when nothing is locked. The filter `holders`
        makes it fit for a golden.
        """
        from goldlock.inspect.lock_table import table  # only for the cases that ask

        return table(self.test_dir)

    def faults(self, *plan: str, **fields: Any) -> "AbstractContextManager[ActiveFaults]":
        """Make lock calls of the programs fail, for the length of a ``with`` block.

        The plan is a line such as ``lock uses write of t.qcow2 fails with ENOLCK once``; the
        fields are those of `goldlock.lockcalls.api.faults`. After the block, ``hits`` of what it
        gives is the number of calls that failed. The case's header must have ``needs: faults``;
        raises CaseError without that and in a block of `side_by_side`, ValueError for what is
        no fault.
        """
        from goldlock.lockcalls.api import faults  # only for the cases that want it

        self._not_beside_parts("faults hit")
        if not os.environ.get(FAULTS_VARIABLE):
            raise CaseError("faults need a supervisor; '# needs: faults' in the header asks for it")
        return faults(*plan, **fields)

    def lock_calls(self) -> str:
        """Return the lock calls of the programs since this was last asked, a line each.

        The format is that of `goldlock.lockcalls.trace`. Raises CaseError as `faults` does.
        """
        self._not_beside_parts("the trace of lock calls is of")
        path = os.environ.get(TRACE_VARIABLE)
        if not path:
            raise CaseError(
                "no lock calls are known; '# needs: faults' in the header asks for them"
            )
        with open(path, "rb") as file:  # noqa: PTH123 - as for the logs
            file.seek(self._lock_calls_read)
            text = file.read().decode("utf-8", "surrogateescape")
            self._lock_calls_read = file.tell()
        return text

    @property
    def _wrapped(self) -> bool:
        return "qemu-system" in self.environment.goldlock_wrapped.split()

    def _not_beside_parts(self, what: str) -> None:
        """Raise CaseError in a part, and in a block with parts, which chance would choose from.

        To wait for the parts would not do: more can start while faults are active.
        """
        if self.as_the_whole or self.parts:
            raise CaseError(f"{what} all programs of a case; not for parts that run side by side")

    def _staying(self, machine: "M") -> "M":
        self.record.programs.add(machine.process.pid)
        return machine

    def _program(self, variable: str, name: str = "") -> Program:
        key = variable.replace("-", "_")
        of_qemu = self.qemu_environment
        command = [getattr(of_qemu, f"{key}_prog"), *of_qemu.options(key)]
        return Program(name or variable, command, self._record, self._start)

    def _show_command(self, text: str) -> None:
        self.log(text, self.commands)

    def _show_answer(self, text: str) -> None:
        self.log(text, self.answers)

    def _record(self, argv: list[str], text: str) -> None:
        self.record.add(argv, text)


def run(story: Callable[[Case], None]) -> None:
    """Run a case script's *story*, if the script is what Python was started with.

    Exit status: 0 when the story came to its end, 77 when it could not run here, 1 when
    something went wrong, with one line that names the script's line; 2 when the script
    was not started by the runner.
    """
    script = story.__code__.co_filename
    if story.__module__ != "__main__":
        return
    try:
        case = Case(Environment.from_environ(os.environ), script)
    except LookupError as error:
        print(f"{script}: {error.args[0]}", file=sys.stderr)  # noqa: T201 - to a person who started it
        sys.exit(2)
    if isinstance(sys.stdout, TextIOWrapper):
        # What it prints is out before what a program writes to the same pipe, and at a time limit.
        sys.stdout.reconfigure(line_buffering=True)
    stack_dump.watch(case)
    call_at_failures(partial(_look_around, os.getpid(), case.test_dir))
    if status := exit_status.tell(partial(story, case), script, case.log, case.record.situation):
        sys.exit(status)


def _look_around(root: int, directory: str) -> str:
    """Tell of the case's processes and locks, if there is more than the case and its parts."""
    from goldlock.inspect.lock_table import situation  # only at a failure

    text = situation(root, directory)
    case, *others = text.splitlines() or [""]
    own = case.strip().rpartition(" (pid ")[0]  # a part has it, after its name
    if all(other.rpartition(" (pid ")[0].endswith(own) for other in others):
        return ""
    return f"its processes were, when it failed:\n{text}"


def _machine_options(machine: str) -> list[str]:
    # Any machine but "none" costs 20 ms at each start.
    chosen = ["-machine", machine] if machine else []
    return ["-nographic", "-serial", "none", *chosen]


def _feed(process: subprocess.Popen[bytes], text: str) -> None:
    assert process.stdin is not None
    try:
        process.stdin.write(text.encode("utf-8", "surrogateescape"))
        process.stdin.close()
    except BrokenPipeError:
        pass  # it ended before it read: its exit status and messages tell why


def _content(fd: int) -> str:
    return os.pread(fd, os.fstat(fd).st_size, 0).decode("utf-8", "surrogateescape")
