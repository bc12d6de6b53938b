# SPDX-License-Identifier: GPL-2.0-or-later
"""Who holds a lock that is in the way, by the names that programs have in a trace."""

# A supervisor starts ahead of short programs, and pathlib takes 10 ms to load:
# ruff: noqa: PTH116, PTH208

import itertools
import os
from contextlib import suppress

from goldlock import linux
from goldlock.kernel_locks import KernelLock, locks_of_descriptor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def program_name(pid: int) -> str:
    """Return the name of the program that a process runs: for Python, of its script or module.

    A script of another language, and a process that has named itself, has that name, in the
    length that it has in the command line.  Empty when the process is gone.
    """
    try:
        words = linux.read(f"/proc/{pid}/cmdline").split("\0")
        itself = linux.read(f"/proc/{pid}/comm").removesuffix("\n")
    except OSError:
        return ""
    is_python = words[0].rpartition("/")[2].startswith("python")
    script = _script(words) if is_python else ""
    names = [script, *(word.rpartition("/")[2] for word in words)]
    if itself.startswith("memcheck-"):  # valgrind: its options come before the program
        program = next((word for word in words[1:] if not word.startswith("-")), "")
        return program.rpartition("/")[2] or itself
    # The kernel begins with the name of what was executed, cut to 15 bytes: Python or the script.
    if script and (not itself or itself.startswith("python")):
        return script
    whole = (name for name in names if name and os.fsencode(name)[:15] == os.fsencode(itself))
    return next(whole, itself or names[1])


def _script(words: list[str]) -> str:
    """Return the name of the script or module in a command line of Python, or nothing."""
    for option, word in itertools.pairwise(words):
        takes = option[-1:] if option[:1] == "-" and option[1:].isalpha() else ""  # -c, -IBc
        if takes == "m":
            return word.rpartition(".")[2]
        if takes == "c":
            break
        if word and not word.startswith("-") and takes not in ("W", "X"):
            return word.rpartition("/")[2]
    return ""


def holders(
    file: tuple[int, int], in_the_way: "Callable[[KernelLock, int, int], bool]"
) -> list[tuple[int, int]]:
    """Return the processes below this one that hold such a lock on a file, and by what descriptor.

    *file* is its device and inode; the question about a lock has the process and descriptor,
    too, where it was found.  What a program has open for those that it starts, it holds alone.
    """
    held: dict[int, dict[int, bool]] = {}
    found = []
    for pid, parent in linux.processes_below(os.getpid()):
        held[pid] = {}
        with suppress(OSError):  # gone, and its locks with it
            held[pid].update(_descriptors(pid, file, in_the_way))
        above = [(parent, fd) for fd in held.get(parent, ())]
        found += [
            (pid, fd)
            for fd, is_own in held[pid].items()
            if is_own or not any(linux.shares_open_file((pid, fd), each) for each in above)
        ]
    return found


def openers(file: tuple[int, int], copy: int, *, writing: bool) -> list[int]:
    """Return the processes below this one that have a file open, but by the one open file *copy*.

    With *writing*, only those that may write to it.
    """
    found = []
    for pid, _ in linux.processes_below(os.getpid()):
        with suppress(OSError):  # gone
            if any(
                _opens(pid, int(fd), file, copy, writing) for fd in os.listdir(f"/proc/{pid}/fd")
            ):
                found.append(pid)
    return found


def _opens(pid: int, fd: int, file: tuple[int, int], copy: int, writing: bool) -> bool:
    try:
        status = os.stat(f"/proc/{pid}/fd/{fd}")
        if (status.st_dev, status.st_ino) != file or same_open_file(pid, fd, copy):
            return False
        flags = linux.read(f"/proc/{pid}/fdinfo/{fd}").split("flags:")[1].split()[0]
    except OSError:  # closed meanwhile
        return False
    return not writing or int(flags, 8) & os.O_ACCMODE != os.O_RDONLY


def _descriptors(
    pid: int, file: tuple[int, int], in_the_way: "Callable[[KernelLock, int, int], bool]"
) -> "Iterator[tuple[int, bool]]":
    """Yield each with such a lock, and whether it has one of the process, which none inherits."""
    for fd in map(int, os.listdir(f"/proc/{pid}/fd")):
        with suppress(OSError):  # closed meanwhile
            status = os.stat(f"/proc/{pid}/fd/{fd}")
            if (status.st_dev, status.st_ino) == file:
                locks = locks_of_descriptor(pid, fd)
                systems = [lock.system for lock in locks if in_the_way(lock, pid, fd)]
                if systems:
                    yield fd, "POSIX" in systems


def same_open_file(pid: int, fd: int, copy: int) -> bool:
    """Return whether a descriptor of a process and one of this process share an open file."""
    try:
        return linux.same_open_file((pid, fd), (os.getpid(), copy))
    except OSError:
        return False
