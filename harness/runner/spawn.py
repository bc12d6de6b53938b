# SPDX-License-Identifier: GPL-2.0-or-later
"""Start a case as a process; `supervision` does so under a supervisor of its lock calls."""

import os
import signal
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

Start = Callable[[Sequence[str], Mapping[str, str], Path, int], int]
"""Starts a command line with no more than an environment, in a directory, with a descriptor for
all that it prints; returns its pid. The process leads a group, or a session, and has no input."""

_DEFAULT = tuple(signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP})
"""Signals that a case finds as they are by default, whatever Python or a caller made of them."""


def spawn(
    argv: Sequence[str],
    environ: Mapping[str, str],
    directory: Path,
    output: int,
    *,
    session: bool = True,
) -> int:
    """Start a program; without *session* in that of this process. Raises OSError.

    Not by subprocess, which takes as long again as a trivial case does.
    """
    leads: Any = {"setsid": True} if session else {"setpgroup": 0}
    with _inside(directory):
        return os.posix_spawn(
            argv[0],
            list(argv),
            environ,
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_DUP2, output, 1),
                (os.POSIX_SPAWN_DUP2, output, 2),
            ],
            setsigmask=(),
            setsigdef=_DEFAULT,
            **leads,
        )


@contextmanager
def child_setup(environ: Mapping[str, str], directory: Path, output: int) -> Iterator[None]:
    """Be, in a fork, as what `spawn` starts; let nothing out, since all else is another's."""
    try:
        _setup_child(environ, directory, output)
        yield
    except BaseException:
        os.write(2, traceback.format_exc().encode())
    finally:
        os._exit(1)


def _setup_child(environ: Mapping[str, str], directory: Path, output: int) -> None:
    """Have in a fork what `spawn` gives a program."""
    os.chdir(directory)
    os.setsid()
    for number, descriptor in ((0, os.open(os.devnull, os.O_RDONLY)), (1, output), (2, output)):
        os.dup2(descriptor, number)
    signal.set_wakeup_fd(-1)
    for each in _DEFAULT:
        signal.signal(each, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    os.environ.clear()
    os.environ.update(environ)


@contextmanager
def _inside(directory: Path) -> Iterator[None]:
    """Be in a directory for the length of a block, no longer: it is to be removed."""
    os.chdir(directory)
    try:
        yield
    finally:
        os.chdir("/")
