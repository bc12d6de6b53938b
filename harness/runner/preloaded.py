# SPDX-License-Identifier: GPL-2.0-or-later
"""Start scripts for Python in forks of one that has loaded what they import.

To start a Python and load the modules of a large test takes 90 ms of a processor, a fork 10 ms.
"""

import json
import os
import socket
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from goldlock.runner import preloaded_python
from goldlock.runner.orphans import keep
from goldlock.runner.spawn import Start, spawn

_PADDING = " " * 4096
"""Makes room for the command line of a script, and for its environment, where it is shown."""


class Preloaded:
    """The Pythons of a worker that have loaded modules, one for each interpreter and folder.

    The first script of each is started as it is, for it may be the only one. What is not the same
    in its environment and in that of the second is not there while modules are loaded.
    """

    def __init__(self) -> None:
        self._first: dict[tuple[str, Path], Mapping[str, str]] = {}
        self._pythons: dict[tuple[str, Path], socket.socket | None] = {}

    def starter(self, modules: Sequence[str], *, session: bool) -> Start:
        """Return what starts a script; *modules* are what one for Python is expected to import."""
        if not modules:
            return partial(spawn, session=session)
        return partial(self._start, modules, session)

    def _start(  # noqa: PLR0913, PLR0917 - as what it returns
        self,
        modules: Sequence[str],
        session: bool,
        argv: Sequence[str],
        environ: Mapping[str, str],
        directory: Path,
        output: int,
    ) -> int:
        key = argv[0], directory
        if key not in self._first:
            self._first[key] = environ
            return spawn(argv, environ, directory, output, session=session)
        if key not in self._pythons:
            same = dict(self._first[key].items() & environ.items())
            self._pythons[key] = _python(argv[0], modules, same, directory, session)
        if python := self._pythons[key]:
            try:
                message = json.dumps([argv, dict(environ), session]).encode()
                socket.send_fds(python, [message], [output])
                return int(python.recv(100))
            except (OSError, ValueError):  # it has ended, or there can be no more processes
                python.close()
                self._pythons[key] = None
        return spawn(argv, environ, directory, output, session=session)


def _python(
    program: str,
    modules: Sequence[str],
    environ: Mapping[str, str],
    directory: Path,
    session: bool,
) -> socket.socket | None:
    """Start a Python that loads modules; None where that cannot be."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    reader, writer = os.pipe()  # as a script has; it prints nothing itself
    own = [str(Path(preloaded_python.__file__)), str(theirs.fileno()), _PADDING]
    os.set_inheritable(theirs.fileno(), True)
    try:
        command, environ = [program, *own, *modules], {**environ, "_": _PADDING}
        keep(spawn(command, environ, directory, writer, session=session))
    except OSError:
        ours.close()
        return None
    finally:
        theirs.close()
        for each in (reader, writer):
            os.close(each)
    return ours
