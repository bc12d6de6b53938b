# SPDX-License-Identifier: GPL-2.0-or-later
"""Be a Python that has loaded modules ahead of time, and run each script in a fork of it.

    python preloaded_python.py DESCRIPTOR PADDING MODULE ...

The descriptor is a socket: of a script's command line, its environment, and whether it is to have a
session of its own, it makes the script's pid.
It is started in the folder of the scripts, and runs in any Python, so it knows nothing of goldlock.
A script sees a process of its own: a child of whoever adopts orphans, which leads a group. Its
command line and environment are in /proc, too, where PADDING, and a variable as long, leave room.
"""

from __future__ import annotations

import os
import sys

if __name__ == "__main__" and not getattr(sys.flags, "safe_path", False):
    sys.path[0] = os.getcwd()  # noqa: PTH109 - pathlib is not loaded yet; as if a script there had been started

import gc
import importlib
import json
import socket
import types
from contextlib import suppress
from importlib.machinery import SourceFileLoader


def serve(requests: socket.socket, modules: list[str]) -> str:
    """Make a fork for each script until nobody asks any more; return, in a fork, its path."""
    for name in modules:
        with suppress(Exception, SystemExit):  # some want the environment of a script
            importlib.import_module(name)
    gc.freeze()
    while True:
        message, descriptors, _, _ = socket.recv_fds(requests, 1 << 20, 1)
        if not message:
            sys.exit()
        argv, environ, session = json.loads(message)
        reader, writer = os.pipe()
        parent = os.fork()
        if parent == 0:
            pid = os.fork()
            if pid == 0:
                for each in (requests.detach(), reader, writer):
                    os.close(each)
                (os.setsid if session else os.setpgrp)()
                return _set_up(argv, environ, descriptors[0])
            os.write(writer, b"%d" % pid)
            os._exit(0)
        for each in (writer, descriptors[0]):
            os.close(each)
        os.waitpid(parent, 0)  # whoever asks has adopted the script by then
        requests.send(os.read(reader, 100))
        os.close(reader)


def _set_up(argv: list[str], environ: dict[str, str], output: int) -> str:
    """Be the process of a script; return its path."""
    gc.unfreeze()
    for each in (1, 2):
        os.dup2(output, each)
    os.close(output)
    os.environ.clear()
    os.environ.update(environ)
    with suppress(OSError):
        _show(argv, [f"{name}={text}" for name, text in environ.items()])
    sys.argv = argv[1:]
    if hasattr(sys, "orig_argv"):
        sys.orig_argv[:] = argv
    return argv[1]


def _show(argv: list[str], environ: list[str]) -> None:
    """Have the kernel tell this process's command line and environment, as far as they fit."""
    with open("/proc/self/stat", "rb") as stat:  # noqa: PTH123 - as Python itself
        places = [int(each) for each in stat.read().rpartition(b")")[2].split()[45:49]]
    with open("/proc/self/mem", "r+b", 0) as memory:  # noqa: PTH123 - as above
        for words, (start, end) in ((argv, places[:2]), (environ, places[2:])):
            line = b"\0".join(map(os.fsencode, words))[: end - start - 1]
            os.pwrite(memory.fileno(), line.ljust(end - start, b"\0"), start)


def become(path: str) -> types.CodeType:
    """Make of this module that of a script; return the script's code."""
    scope, display = globals(), sys.__excepthook__

    def show(
        kind: type[BaseException], error: BaseException, trace: types.TracebackType | None
    ) -> None:
        """Show an exception that ends a script without the frame that is here."""
        trace = trace.tb_next if trace else None
        display(kind, error.with_traceback(trace), trace)

    sys.excepthook = show
    with open(path, "rb") as file:  # noqa: PTH123 - as Python itself
        code: types.CodeType = compile(file.read(), path, "exec", dont_inherit=True)
    own = {"__file__": path, "__doc__": None, "__loader__": SourceFileLoader("__main__", path)}
    for name in [name for name in scope if not name.startswith("__")]:
        del scope[name]
    scope.update(own)
    return code


if __name__ == "__main__":
    exec(become(serve(socket.socket(fileno=int(sys.argv[1])), sys.argv[3:])))
