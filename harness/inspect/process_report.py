# SPDX-License-Identifier: GPL-2.0-or-later
"""What the processes of a case are doing: a tree of them, and the locks on its files."""

import os
import shlex
from contextlib import suppress

import psutil
from goldlock.inspect import lock_table, process_facts, processes
from goldlock.lockcalls import SUPERVISOR_NAME
from goldlock.lockcalls.file_words import LOCKS_VARIABLE
from goldlock.lockcalls.words import KIT_VARIABLE, ByteWords, byte_words


def name_of(process: psutil.Process) -> str:
    """Return ``qemu-img info t.qcow2 (pid 812)``; raises psutil.NoSuchProcess."""
    return f"{shlex.join(_command_line(process)) or process.name()} (pid {process.pid})"


def describe(pid: int) -> str:
    """Return a case's processes, a line each with states, then the locks on its files."""
    try:
        variables = psutil.Process(pid).environ()
    except psutil.Error:  # gone, or a zombie
        variables = {}
    words = byte_words(variables.get(KIT_VARIABLE, ""), variables.get(LOCKS_VARIABLE, ""))
    return report(pid, variables.get("TEST_DIR", ""), words)


def report(root: int, directory: str, words: ByteWords) -> str:
    """Return the tree of processes from *root* down, then who holds locks on a directory's files.

    *words* are what bytes are called.
    """
    text = tree(root)
    held = lock_table.table(directory, words) if directory else ""
    return text + ("\nlocks held:\n" + indented(held) if held else "")


def tree(root: int) -> str:
    """Return *root* and all processes below it, with states, a line each, by their start.

    The empty string when it is gone.
    """
    known = processes.children()
    lines, waiting = list[str](), [(root, 1)]
    while waiting:
        pid, depth = waiting.pop()
        with suppress(psutil.NoSuchProcess):
            lines.append(f"{'  ' * depth}{_line(psutil.Process(pid))}")
        waiting += [(child, depth + 1) for child in reversed(known.get(pid, ()))]
    return "\n".join(lines)


def _line(process: psutil.Process) -> str:
    words, own = _command_line(process), process_facts.name(process.pid)
    text = shlex.join(words) or own
    if words and not any(os.path.basename(word).startswith(own) for word in words):  # noqa: PTH119 - a word, no path
        text = f"{own}: {text}"  # it goes by another name than that of its program
    return f"{text} (pid {process.pid}), {process.status()}"


def _command_line(process: psutil.Process) -> list[str]:
    try:
        words = process.cmdline()
    except psutil.ZombieProcess:
        words = []
    while words and not words[-1]:  # room that a program which changed its words left over
        words.pop()
    return words


def indented(text: str) -> str:
    """Return the lines of *text* two columns further right, without the last line end."""
    return "\n".join(f"  {line}" for line in text.splitlines())


def state(pid: int) -> str:
    """Return what a process does in a word, such as ``stopped``."""
    try:
        return str(psutil.Process(pid).status())
    except psutil.NoSuchProcess:
        return "gone"


def tree_size(pid: int) -> int:
    """Return how many processes live below one."""
    count = 0
    for process in processes.descendants(pid):
        with suppress(psutil.NoSuchProcess):
            count += not _has_ended(psutil.Process(process))
    return count


def _has_ended(process: psutil.Process) -> bool:
    """Tell whether it is a zombie, and not only its first thread, which others may outlive."""
    return process.status() == psutil.STATUS_ZOMBIE and process.num_threads() < 2


def left_behind(pid: int) -> str:
    """Return a process's command line and locks, in a line; nothing when it has ended already.

    A supervisor of lock calls is none of the case's doing: what it supervises is.
    """
    try:
        process = psutil.Process(pid)
        if _has_ended(process) or process.name() == SUPERVISOR_NAME:
            return ""
        held = [f"holding {lock.bytes()}" for lock in lock_table.held_by(pid)]
        return ", ".join([name_of(process), *held])
    except psutil.Error:  # it is gone, or another user's
        return ""
