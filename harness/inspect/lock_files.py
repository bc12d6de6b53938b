# SPDX-License-Identifier: GPL-2.0-or-later
"""Files that are locks by their being there: who made them, and who has them open.

    .git/index.lock: created by git (pid 7), open in none

The supervisor of a case knows it, where it sees files that are made (``needs: lock-files``).
"""

# A case asks in the midst of what it measures, and pathlib costs ten times as much:
# ruff: noqa: PTH115, PTH208

import os

from goldlock.inspect import process_facts, processes
from goldlock.inspect.open_files import Files
from goldlock.inspect.states import named, one_line
from goldlock.lockcalls import FAULTS_VARIABLE
from goldlock.lockcalls.control import Control


def lock_files(path: str) -> str:
    """Return a line for each lock file at a path and below, in their order.

    The empty string without a supervisor, and where it does not see files that are made.
    """
    if not os.environ.get(FAULTS_VARIABLE):
        return ""
    top = os.path.realpath(path)
    control = Control()
    try:
        found = control.lock_files(top)
    finally:
        control.close()
    root = processes.root_of_case(top) if found else 0
    pids = processes.descendants(root) if root else process_facts.all_pids()
    files = Files(top)
    lines = [
        f"{files.name(path)}: created by {program} (pid {pid}), open in {_openers(path, pids)}"
        for path, program, pid in sorted(found)
    ]
    return "".join(f"{one_line(line)}\n" for line in lines)


def _openers(path: str, pids: list[int]) -> str:
    return ", ".join(named(pid) for pid in sorted(pids) if _has_open(pid, path)) or "none"


def _has_open(pid: int, path: str) -> bool:
    folder = f"/proc/{pid}/fd"
    try:
        return any(_target(f"{folder}/{fd}") == path for fd in os.listdir(folder))
    except OSError:  # gone, or another user's
        return False


def _target(link: str) -> str:
    try:
        return os.readlink(link)
    except OSError:  # closed meanwhile
        return ""
