# SPDX-License-Identifier: GPL-2.0-or-later
"""What a run of a case has printed, with what is its own in it: for goldens that are to be made."""

import os
from pathlib import Path

from goldlock.goldens.judge import text_of
from goldlock.goldens.steady import NO_PIDS, VOLATILE, Name, Printed, filter_way
from goldlock.runner.new_directory import PREFIX
from goldlock.runner.scratch import Directories


def printed(output: Path, directories: Directories, first_pid: int) -> Printed:
    """Return what is in *output*; *first_pid* is what `last_pid` was when the case started."""
    last = last_pid()
    pids = (first_pid + 1, last) if last else NO_PIDS
    return Printed(text_of(output), _names(directories), pids)


def last_pid() -> int:
    """Return the process id that was given out last; 0 where the kernel's file is masked."""
    try:
        return int(Path("/proc/loadavg").read_bytes().split()[4])  # 0.20 0.18 0.12 1/80 11206
    except (OSError, IndexError):
        return 0


def _names(directories: Directories) -> list[Name]:
    way = filter_way("paths")
    found = {}
    for path, what in ((directories.test, "TEST_DIR"), (directories.sockets, "SOCK_DIR")):
        for text in (str(path), os.path.realpath(path)):
            found[text] = Name(text, f"{what} of this run", way)
    for path in (directories.top, directories.home):
        found[str(path)] = Name(str(path), "a directory of this run", VOLATILE)
    for path in (*map(Path, found), *directories[:4]):
        for part in path.parts:
            if part.startswith(PREFIX):
                found[part] = Name(part, "the name of this run's scratch directory", VOLATILE)
    return sorted(found.values(), key=lambda name: -len(name.text))
