# SPDX-License-Identifier: GPL-2.0-or-later
"""The command ``goldlock trace``: any program's lock calls as they come, and who is in whose way.

It starts the program under the supervisor of `goldlock.lockcalls`, whose events it reads from a
FIFO until the last process below has ended, as strace does.
"""

import argparse
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from time import monotonic_ns
from typing import IO, Any, NoReturn

from goldlock.atomic_file import check, replace
from goldlock.errors import UsageError
from goldlock.inspect.file_locks import held
from goldlock.lockcalls.api import wrap
from goldlock.lockcalls.history import History, Row
from goldlock.lockcalls.words import byte_words
from goldlock.reports.repo_paths import here
from goldlock.text import printable

_CHUNK = 65536

_DESCRIPTION = """\
Run a program, and show each lock call that it and what it starts make: who asks, with which
result, and who is in the way. At the end: who was refused or had to wait, and because of whom.
"""
_EPILOG = "Exit status: that of the program; 2 usage, 77 forbidden here."


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(message)


def main(argv: Sequence[str]) -> int:
    """Do what the words say; return the exit status."""
    try:
        return _trace(_options(argv))
    except UsageError as error:
        _complain(str(error))
        return 2


def _complain(text: str) -> None:
    """Say what is wrong, where standard error takes it."""
    if sys.stderr:
        with suppress(OSError):
            sys.stderr.write(f"goldlock trace: {printable(text)}\n")


def _options(argv: Sequence[str]) -> argparse.Namespace:
    parser = _Parser(
        prog="goldlock trace",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        allow_abbrev=False,
        usage="%(prog)s [OPTION ...] -- PROGRAM [ARGUMENT ...]",
    )
    parser.add_argument("-o", dest="output", metavar="FILE", help="lines to FILE, not to stderr")
    parser.add_argument("--html", metavar="FILE", help="a picture: processes, and locks over time")
    parser.add_argument("--perfetto", metavar="FILE", help="a trace for ui.perfetto.dev and Chrome")
    parser.add_argument("--files", action="store_true", help="also files made, renamed and removed")
    parser.add_argument("--kit", metavar="NAME", help="names for bytes: those of a kit, e.g. qemu")
    parser.add_argument("--suite", metavar="DIR", help="names for bytes: those of a suite.toml")
    parser.add_argument("program", nargs="*", help=argparse.SUPPRESS)
    at = list(argv).index("--") if "--" in argv else len(argv)
    options = parser.parse_args(argv[:at])
    if options.program:
        raise UsageError(f'expected "--" before the program, not {options.program[0]!r}')
    options.program = list(argv[at + 1 :])
    if not options.program:
        raise UsageError("no program: expected -- PROGRAM [ARGUMENT ...]")
    for path in filter(None, (options.html, options.perfetto, options.output)):
        if path == "-":
            raise UsageError("-: expected a file; standard output is the program's")
        if not Path(path).absolute().parent.is_dir():
            raise UsageError(f"{path}: no such folder")
    if options.kit:
        try:
            byte_words(options.kit)
        except ValueError as error:
            raise UsageError(f"--kit {options.kit}: {error}") from None
    return options


def _trace(options: argparse.Namespace) -> int:
    for path in filter(None, (options.html, options.perfetto)):
        try:
            check(Path(path))
        except OSError as error:
            raise UsageError(f"{path}: {error.strerror}") from None
    history = History()
    view = _View(history, _opened(options.output) if options.output else sys.stderr)
    status = _run(options, history, view)
    view.close()
    for path, text in _pictures(options, history):
        try:
            replace(Path(path), text.encode("utf-8", "replace"))
        except OSError as error:
            raise UsageError(f"{path}: {error.strerror}") from None
    if view.problem:
        raise UsageError(f"{options.output or 'standard error'}: {view.problem}")
    return status


def _opened(path: str) -> IO[str]:
    """Open a file for lines, which can be read while it grows."""
    try:
        return open(path, "w", encoding="utf-8", errors="backslashreplace")  # noqa: PTH123 - closed at the end of the command
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from None


def _pictures(options: argparse.Namespace, history: History) -> Iterator[tuple[str, str]]:
    if options.html:
        from goldlock.reports.lock_picture import document  # Jinja2, for those who want a page

        yield options.html, document(history, options.program)
    if options.perfetto:
        from goldlock.reports.perfetto import document as trace

        yield options.perfetto, trace(history)


def _run(options: argparse.Namespace, history: History, view: "_View") -> int:
    """Run the program to its end and that of all it has started; return its exit status."""
    environ = dict(os.environ)
    if options.kit or options.suite:
        from goldlock.suite.lock_words import asked  # with all that reads suites

        environ |= asked(options.kit, options.suite)
    with tempfile.TemporaryDirectory(prefix="goldlock-trace-") as folder:
        fifo = f"{folder}/events"
        os.mkfifo(fifo)
        # Ctrl-C is for the program, where this handler does not outlive the exec.
        before = signal.signal(signal.SIGINT, lambda *_: None)
        try:
            launcher = subprocess.Popen(
                wrap(options.program, events=fifo, files=options.files), env=environ
            )
            _Follower(fifo, launcher.pid, history, view).follow()
        finally:
            signal.signal(signal.SIGINT, before)
    status = launcher.wait()
    return 128 - status if status < 0 else status


class _Follower:
    """Reads the events until nobody is left to write any, and watches for ends of processes."""

    def __init__(self, fifo: str, launcher: int, history: History, view: "_View") -> None:
        self._fifo = fifo
        self._events = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
        self._launcher = os.pidfd_open(launcher)
        self._history = history
        self._view = view
        self._folder = f"{Path.cwd()}/"
        self._rest = b""
        self._processes: dict[int, int] = {}
        """The pids of those that run, by pidfd."""
        self._poll = select.poll()
        self._poll.register(self._launcher, select.POLLIN)
        self._poll.register(self._events, select.POLLIN)

    def follow(self) -> None:
        """Read to the end: of the program, and of daemons that it leaves, unless interrupted."""
        with suppress(KeyboardInterrupt):
            while self._step():
                pass
        for pidfd in [*self._processes]:
            self._ended(pidfd)
        os.close(self._events)
        os.close(self._launcher)

    def _step(self) -> bool:
        """Wait for what happens next; return False when there is nobody left."""
        ready = dict(self._poll.poll())
        if ready.get(self._events, 0) & select.POLLIN:
            self._read()
            return True  # what was written before a process ended comes before that
        for pidfd in [fd for fd in ready if fd in self._processes]:
            self._ended(pidfd)
        if self._launcher in ready:
            self._poll.unregister(self._launcher)
            # The end of the last writer is an event; make sure that there was one.
            os.close(os.open(self._fifo, os.O_WRONLY))
            signal.signal(signal.SIGINT, signal.default_int_handler)
        return self._events not in ready

    def _read(self) -> None:
        lines = (self._rest + os.read(self._events, _CHUNK)).split(b"\n")
        self._rest = lines.pop()
        pids = set()
        for line in lines:
            row = self._history.add(self._shortened(json.loads(line)))
            self._view.show(row)
            pids.add(row.pid)
        for pid in sorted(pids - {0, *self._processes.values()}):
            self._watch(pid)

    def _shortened(self, event: dict[str, Any]) -> dict[str, Any]:
        """Return an event with paths as a person would type them."""
        for key in {"path", "to"} & event.keys():
            event[key] = event[key].removeprefix(self._folder)
        return {**event, "text": here(event["text"])} if "text" in event else event

    def _watch(self, pid: int) -> None:
        try:
            pidfd = os.pidfd_open(pid)
        except OSError:  # it has ended already
            self._end(pid)
        else:
            self._processes[pidfd] = pid
            self._poll.register(pidfd, select.POLLIN)

    def _ended(self, pidfd: int) -> None:
        self._poll.unregister(pidfd)
        os.close(pidfd)
        self._end(self._processes.pop(pidfd))

    def _end(self, pid: int) -> None:
        held = self._history.held_by(pid)
        inherited = [hold for hold in held if hold.system == "flock" and _is_locked(hold.path)]
        row = self._history.end(pid, monotonic_ns(), inherited)
        if held:
            self._view.show(row)


def _is_locked(path: str) -> bool:
    """Return whether anybody has a flock on a file: it outlives the process that asked for it."""
    return any(lock.system == "FLOCK" for lock in held(path, by=0))


class _View:
    """The lines for a person."""

    def __init__(self, history: History, to: IO[str] | None) -> None:
        self._history = history
        self._to = to
        self.problem = ""
        """Why lines could not be written, which is no reason to stop the program."""

    def show(self, row: Row) -> None:
        """Write the line of a call, or of an end."""
        since = (row.time - self._history.rows[0].time) / 1e9
        by = f", by {', '.join(map(self._who, row.by))}" if row.by else ""
        self._write(f"{since:9.4f} s  {self._who(row.pid)}: {row.text}{by}")

    def close(self) -> None:
        """Say who was refused or had to wait, and because of whom."""
        found: dict[tuple[str, str, str], int] = {}
        for row in self._history.rows:
            if row.mark in ("refused", "waits") and {*row.by} - {row.pid}:
                verb = "refused" if row.mark == "refused" else "made to wait"
                key = (self._who(row.pid), verb, ", ".join(map(self._who, row.by)))
                found[key] = found.get(key, 0) + 1
        for (who, verb, by), times in found.items():
            self._write(f"{who} was {verb} by {by}{f', {times} times' if times > 1 else ''}")

    def _who(self, pid: int) -> str:
        return f"{self._history.programs.get(pid, '')}[{pid}]" if pid else "somebody"

    def _write(self, text: str) -> None:
        if self._to is None or self.problem:
            return
        try:
            self._to.write(f"{printable(text)}\n")
            self._to.flush()
        except OSError as error:
            self.problem = str(error.strerror)
