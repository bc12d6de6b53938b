# SPDX-License-Identifier: GPL-2.0-or-later
"""The command: goldlock show [FILTER ...] -- PROGRAM [ARGUMENT ...]."""

# It starts often; pathlib and argparse take 5 ms to load, each:
# ruff: noqa: PTH123

import os
import shlex
import sys
from collections.abc import Sequence

from goldlock.filters import Filter, compose, paths
from goldlock.linux import ending, search_error
from goldlock.stand_ins import path_without_shims

USAGE = """\
Show a command, run it, and show what it writes, and its exit status if that is not 0.

  goldlock show [FILTER ...] -- PROGRAM [ARGUMENT ...]

    $ git add a
    fatal: Unable to create 'TEST_DIR/.git/index.lock': File exists.
    [exit status 128]

TEST_DIR and SOCK_DIR stand for the directories of the case; a FILTER is one that goldlock filter
--list lists, with its arguments. First comes standard output, then standard error, whatever the
program has mixed. All of it is in the case's log, as it was.

Exit status: that of the program, 128+N where signal N ended it; 2 usage, 126 and 127 program not
executable and not found.
"""

_DIRECTORIES = ("TEST_DIR", "SOCK_DIR")


class _UsageError(Exception):
    """The command line is wrong; str() says how, in a line."""


def main(arguments: list[str]) -> int:
    """Show the command in *arguments*, and what comes of it; return its exit status."""
    if arguments in (["-h"], ["--help"]):
        sys.stdout.write(USAGE)
        return 0
    try:
        change, argv = _parse(arguments)
    except _UsageError as error:
        return _complain(f"{error}; goldlock show --help tells more", 2)
    _write(change(f"$ {shlex.join(argv)}\n"))
    out, err = os.memfd_create("stdout"), os.memfd_create("stderr")
    try:
        status = _run(argv, out, err)
    except OSError as error:
        problem = search_error(error, argv[0], path_without_shims(os.environ))
        _keep(argv, f"[{problem.strerror}]\n")
        missing = isinstance(problem, FileNotFoundError)
        return _complain(change(f"{argv[0]}: {problem.strerror}"), 127 if missing else 126)
    written = _content(out), _content(err)
    _keep(argv, f"{''.join(written)}[exit status {status}]\n{_locks(''.join(written))}")
    for text in map(change, written):
        _write(text if not text or text.endswith("\n") else f"{text}\n")
    if status:
        _write(f"{ending(status)}\n")
    return status if status >= 0 else 128 - status


def _parse(arguments: list[str]) -> tuple[Filter, list[str]]:
    """Return the filter, and the command line; raise _UsageError."""
    words, argv = _split(arguments)
    if missing := [name for name in _DIRECTORIES if not os.environ.get(name)]:
        raise _UsageError(f"{missing[0]} is not set: it is for cases")
    change: Filter = paths(*(os.environ[name] for name in _DIRECTORIES))
    if not words:
        return change, argv
    from goldlock.filters.by_name import UnknownError, chosen  # 10 ms for those who want it

    try:
        return compose(change, chosen(words, os.environ.get("GOLDLOCK_KIT", ""))), argv
    except UnknownError as error:
        raise _UsageError(str(error)) from None


def _split(arguments: list[str]) -> tuple[list[str], list[str]]:
    if "--" not in arguments[:-1]:
        raise _UsageError("-- stands before the command that is shown")
    place = arguments.index("--")
    return arguments[:place], arguments[place + 1 :]


def _run(argv: Sequence[str], out: int, err: int) -> int:
    """Run a program to its end; return its exit status, -N for signal N. Raises OSError."""
    sys.stdout.flush()
    environ = dict(os.environ)
    os.environ["PATH"] = path_without_shims(environ)  # where the program is looked for
    pid = os.posix_spawnp(
        argv[0],
        list(argv),
        environ,
        file_actions=[(os.POSIX_SPAWN_DUP2, out, 1), (os.POSIX_SPAWN_DUP2, err, 2)],
    )
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def _content(fd: int) -> str:
    return os.pread(fd, os.fstat(fd).st_size, 0).decode("utf-8", "surrogateescape")


def _keep(argv: Sequence[str], text: str) -> None:
    """Keep a command line and what came of it in the log of the case, as it was."""
    whole = f"$ {shlex.join(argv)}\n{text}".encode("utf-8", "surrogateescape")
    for name in ("GOLDLOCK_LOG", "GOLDLOCK_PRINT"):
        if path := os.environ.get(name):
            with open(path, "ab", buffering=0) as file:
                file.write(whole)


def _locks(text: str) -> str:
    """Tell who holds what, for the log, where a program says that it was refused a lock."""
    if not text:
        return ""
    from goldlock.case.refusals import REFUSED  # 2 ms for what has something to say

    if not REFUSED.search(text):
        return ""
    from goldlock.inspect.lock_table import table  # 10 ms for those who were refused one

    try:
        return f"# locks:\n{table(os.environ['TEST_DIR'])}"
    except OSError as error:  # the kernel does not tell
        return f"# locks: {error.strerror}\n"


def _write(text: str) -> None:
    sys.stdout.buffer.write(text.encode("utf-8", "surrogateescape"))
    sys.stdout.buffer.flush()


def _complain(text: str, status: int) -> int:
    print(f"goldlock show: {text}", file=sys.stderr)  # noqa: T201 - to who started it
    return status


if __name__ == "__main__":
    status = main(sys.argv[1:])
    os._exit(status)  # nothing to finalize: saves 3 ms
