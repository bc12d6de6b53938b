# SPDX-License-Identifier: GPL-2.0-or-later
"""Start the embedded programs as forks of the case, which spares each the start of Python.

A Python case has an interpreter running, and what a program imports need be imported once.
Each program is a process of its own all the same: a child of the case, with its own open files
and none of the case's, with its name and command line for all who look, and killed, waited for
and heard like any other. Nothing of a program runs in the case itself: it only imports.

Popen does the forking, so that pipes and errors are its affair: what it calls in the child just
before it would execute a program never comes back.
"""

# pathlib costs a quick case too much: ruff: noqa: PTH118, PTH119, PTH120

import gc
import os
import subprocess
import sys
from contextlib import suppress
from functools import cache, partial
from importlib import import_module
from threading import Lock
from typing import TYPE_CHECKING, Any, NoReturn

from goldlock import embedded
from goldlock.case.program import Start
from goldlock.inspect import processes

if TYPE_CHECKING:
    import signal
else:
    import _signal as signal  # `signal` makes an enum of each answer: 0.3 ms for each program

_PACKAGE = embedded.__name__
_LIKELY = {
    "qemu-img": ("qcow2.node",),
    "qemu-io": ("qcow2.node", "io.commands"),
    "qemu-system": ("qcow2.node", "system.qmp", "system.hmp"),
}
"""The embedded programs, and what nearly every run of each imports besides its own module."""

_forking = Lock()
"""Held while one thread of a case imports or forks: a child must not wait for an import that
went on in another thread."""


def spawner(launchers: str) -> Start:
    """Return what starts programs for a case: forks those in the folder *launchers*.

    Others, such as a script around one of them, are executed.
    """
    return partial(_start, launchers)


def _start(launchers: str, argv: list[str], **streams: Any) -> "subprocess.Popen[bytes]":
    folder, name = os.path.split(argv[0])
    if folder != launchers or name not in _LIKELY:
        return subprocess.Popen(argv, **streams)
    run = partial(_run_program, name, argv)
    processes.command_line_area()  # asked once, and known to all forks
    with _forking:
        _import(name, *argv[1:2])
        return subprocess.Popen(argv, **streams, preexec_fn=run, restore_signals=False)  # noqa: PLW1509 - see _forking


def _module(name: str) -> str:
    return f"{_PACKAGE}.{embedded.PROGRAMS[name]}.main"


@cache
def _import(name: str, command: str = "") -> None:
    """Import what a program needs, for all of its runs to inherit.

    What cannot be imported is the program's to tell: it tries again.
    """
    with suppress(Exception):
        program = import_module(_module(name))
        for part in _LIKELY[name]:
            import_module(f"{_PACKAGE}.{part}")
        if command in getattr(program, "COMMANDS", ()):
            import_module(f"{program.__package__}.{program.COMMANDS[command]}")


def _run_program(name: str, argv: list[str]) -> NoReturn:
    """Run the program, in a child of the case, and end with its exit status."""
    status = 1
    try:
        # The case's objects stay as they are: to drop one could close a file of the program's.
        gc.freeze()
        _case = (sys.stdin, sys.stdout, sys.stderr)
        os.closerange(3, os.sysconf("SC_OPEN_MAX"))
        _set_streams()
        _set_signals()
        processes.set_command_line([name, *argv[1:]])
        sys.argv = argv
        gc.enable()  # Popen disables it for the child
        status = import_module(_module(name)).main(argv)
        sys.stdout.flush()
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    except BaseException:  # as the interpreter does at a program's end
        sys.excepthook(*sys.exc_info())
    finally:
        os._exit(status)


def _set_streams() -> None:
    """Make the standard streams those of a Python that has just started."""
    text = partial(open, encoding="utf-8", closefd=False)
    sys.stdin = text(0, errors="surrogateescape")
    sys.stdout = text(1, "w", errors="surrogateescape")
    sys.stderr = text(2, "w", buffering=1, errors="backslashreplace")


def _set_signals() -> None:
    """Have the dispositions that are left after an exec, and the start of Python."""
    signal.set_wakeup_fd(-1)
    for number in range(1, signal.NSIG):
        if callable(signal.getsignal(number)):
            signal.signal(number, signal.SIG_DFL)
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
