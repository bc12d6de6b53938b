# SPDX-License-Identifier: GPL-2.0-or-later
"""What a run that was killed left behind, found and cleared by the next one.

A scratch directory has a file that its run, and the run's workers, hold locked for as long as
any of them lives. One that can be locked is nobody's any more.
"""

import fcntl
import os
import stat
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING

from goldlock import safe_open
from goldlock.runner import mounts
from goldlock.runner.removal import identity, remove_tree

if TYPE_CHECKING:
    import psutil

MARK = "running"
_MOST = 64 * 1024


def mark(folder: Path, *others: Path) -> IO[str] | None:
    """Mark a run's scratch directory, and others that are to go with it, as in use.

    They are until the file that is returned, and all copies that forked processes have of it,
    are closed. None where the file system has no locks.
    """
    ahead = folder / f".{MARK}"
    file = ahead.open("w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        ahead.unlink()
        return None
    file.write("\n".join(map(str, others)))
    file.flush()
    ahead.rename(folder / MARK)  # not seen by others before it is locked
    return file


def clear(base: Path, prefix: str) -> list[str]:
    """Clear what killed runs left in *base*, in folders of that prefix; return a line for each."""
    said = []
    for folder in sorted(Path(os.path.realpath(base)).glob(f"{prefix}*")):
        made = identity(folder)
        if not _is_ours(folder):
            continue
        with suppress(OSError), safe_open.open_file(folder / MARK) as file:
            if os.fstat(file.fileno()).st_uid != os.getuid():
                continue
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            named = [Path(os.fsdecode(line)) for line in file.read(_MOST).splitlines()]
            others = [path for path in named if path.name.startswith(prefix) and _is_ours(path)]
            found = {path: identity(path) for path in others} | {folder: made}
            ended = end_processes([*found])
            for path, each in found.items():
                ended += [f"unmounted {mount}" for mount in mounts.clear(path, itself=True)]
                ended += [f"cannot remove {rest}" for rest in remove_tree(path, each)]
            said.append("; ".join([f"cleared {folder}, which a killed run left", *ended]))
    return said


def _is_ours(folder: Path) -> bool:
    """Tell whether a path is that of a directory of ours, and of no link to one.

    Anybody may write to /tmp, and what is named there is to be removed.
    """
    try:
        found = folder.lstat()
    except OSError:
        return False
    return folder.is_absolute() and stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid()


def end_processes(folders: Sequence[Path]) -> list[str]:
    """Kill the processes of cases whose directories are in *folders*; describe them."""
    import psutil  # only where something is left
    from goldlock.inspect import processes
    from goldlock.inspect.process_report import left_behind

    described = []
    for process in psutil.process_iter():
        with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            paths = [] if process.pid == os.getpid() else _places(process)
            if any(folder in path.parents for folder in folders for path in paths):
                if said := left_behind(process.pid):
                    described.append(f"ended {said}")
                if not processes.kill(process.pid):
                    described.append(f"pid {process.pid} cannot be ended")
    return described


def _places(process: "psutil.Process") -> list[Path]:
    """Return its TEST_DIR; of a process that was started without any environment, its files.

    Others may have files there, too: somebody who looks at what was kept.
    """
    environ = process.environ()
    if environ:
        return [Path(environ.get("TEST_DIR", ""))]
    return [Path(process.cwd()), *(Path(file.path) for file in process.open_files())]
