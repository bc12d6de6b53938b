# SPDX-License-Identifier: GPL-2.0-or-later
"""What can be waited for: a file, a line of a log, an end; `lock_states` has locks.

`goldlock.inspect.waiting` waits for them. A state is looked at as it is now, by what the kernel
tells; none of them takes a lock, connects to a server, or has any other effect.
"""

# `goldlock wait` starts often, and pathlib takes 5 ms to load:
# ruff: noqa: PTH100, PTH110, PTH113, PTH116, PTH119, PTH120, PTH123, PTH208

import os
import stat

from goldlock.inspect import process_facts
from goldlock.lockcalls.words import quote

TYPE_CHECKING = False  # as in typing, which takes 5 ms to load
if TYPE_CHECKING:
    import re
    from collections.abc import Callable


class State:
    """Something that is so, or not.

    folder   where changes may bring it about; empty for none
    needs    the process without which it cannot come about any more; 0 for none
    ends     the process whose end may bring it about; 0 for none
    """

    folder = ""
    needs = 0
    ends = 0

    def reached(self) -> bool:
        """Return whether it is so now."""
        raise NotImplementedError

    def __str__(self) -> str:
        raise NotImplementedError

    def instead(self) -> str:
        """Say what is there instead, as it is not so."""
        raise NotImplementedError

    def untold(self) -> bool:
        """Return whether no event would tell of what is still missing."""
        return not (self.folder or self.ends)


class Exists(State):
    """A file is there; a socket, once it is listened on, which is seen without connecting."""

    def __init__(self, path: str) -> None:
        self._path = path
        self.folder = os.path.dirname(os.path.abspath(path))

    def reached(self) -> bool:
        try:
            mode = os.stat(self._path).st_mode
        except OSError:
            return False
        return not stat.S_ISSOCK(mode) or _listens(self._path)

    def __str__(self) -> str:
        return f"{self._path} to be there"

    def instead(self) -> str:
        if self.untold():
            return "the socket is there, and nobody listens on it"
        return beside(self._path)

    def untold(self) -> bool:
        return os.path.exists(self._path)  # a socket, of which nobody tells that it is listened on


class Missing(State):
    """No file of that name is there."""

    def __init__(self, path: str) -> None:
        self._path = path
        self.folder = os.path.dirname(os.path.abspath(path))

    def reached(self) -> bool:
        return not os.path.lexists(self._path)

    def __str__(self) -> str:
        return f"{self._path} to be gone"

    def instead(self) -> str:
        return "it is there"


class Line(State):
    """A file has a line with a text in it, or which a regular expression finds; `found` is it.

    *since* is where in the file lines begin to count, in bytes.
    """

    def __init__(self, wanted: "str | re.Pattern[str]", path: str, since: int = 0) -> None:
        self._wanted = wanted
        self._path = path
        self._since = since
        self.folder = os.path.dirname(os.path.realpath(path))
        self.found = ""

    def reached(self) -> bool:
        for line in self._lines():
            if fits(line, self._wanted):
                self.found = line
                return True
        return False

    def __str__(self) -> str:
        return f"a line with {shown(self._wanted)} in {self._path}"

    def instead(self) -> str:
        if not os.path.exists(self._path):
            return beside(self._path)
        if not os.path.isfile(self._path):
            return "it is no regular file"
        lines = self._lines()
        return f"its last line is {lines[-1]!r}" if lines else "it is empty"

    def _lines(self) -> list[str]:
        if not os.path.isfile(self._path):  # to read a FIFO would wait, and take what is in it
            return []
        try:
            with open(self._path, "rb") as file:
                file.seek(self._since)
                lines = file.read().splitlines()  # a text would be split at other bytes, too
                return [line.decode("utf-8", "surrogateescape") for line in lines]
        except OSError:
            return []


class Refused(Line):
    """A lock call of a process was refused, as the supervisor's trace tells; `found` is its line.

    One that made a file which is there is such a call, too. A process is known by its name there.
    """

    def __init__(self, pid: int, trace: str, since: int = 0) -> None:
        import re  # 10 ms that the other states do without

        name = re.escape(quote(process_facts.name(pid)))
        by = r"(?: \((?:held by|created by|open in) .*\))?"
        pattern = re.compile(rf"{name}: .*: (?:EAGAIN|EACCES|EEXIST){by}\??$")
        super().__init__(pattern, trace, since)
        self.needs = self._pid = pid

    def __str__(self) -> str:
        return f"{named(self._pid)} to be refused a lock"

    def instead(self) -> str:
        lines = self._lines()
        said = f"the last lock call of all was {lines[-1]!r}" if lines else "there was no lock call"
        return f"it is {process_facts.doing(self._pid)}, and {said}"


class Gone(State):
    """A process has ended, and its parent has taken note of that: ``kill -0`` finds none.

    That of a child of this process is enough: it is this process that has to take note.
    """

    def __init__(self, pid: int) -> None:
        self.ends = self._pid = pid

    def reached(self) -> bool:
        try:
            os.kill(self._pid, 0)
        except ProcessLookupError:
            return True
        except PermissionError:
            return False
        try:
            flags = os.WEXITED | os.WNOHANG | os.WNOWAIT
            return bool(os.waitid(os.P_PID, self._pid, flags))
        except ChildProcessError:
            return False

    def __str__(self) -> str:
        return f"{named(self._pid)} to be gone"

    def instead(self) -> str:
        return f"it is {process_facts.doing(self._pid)}"


class Until(State):
    """Whatever a function of the case says."""

    def __init__(self, condition: "Callable[[], object]") -> None:
        self._condition = condition

    def reached(self) -> bool:
        return bool(self._condition())

    def __str__(self) -> str:
        return f"{getattr(self._condition, '__name__', 'the condition')} to be true"

    def instead(self) -> str:
        return f"it returns {self._condition()!r}"


def named(pid: int) -> str:
    """Return ``sqlite3 (pid 7)``."""
    return f"{process_facts.name(pid)} (pid {pid})"


def fits(line: str, wanted: "str | re.Pattern[str]") -> bool:
    """Tell whether a line has a text in it, or is found by a regular expression."""
    return wanted in line if isinstance(wanted, str) else bool(wanted.search(line))


def shown(wanted: "str | re.Pattern[str]") -> str:
    """Return in quotes what a line is to have in it."""
    return repr(wanted if isinstance(wanted, str) else wanted.pattern)


def _listens(path: str) -> bool:
    """Tell whether a server listens on a Unix socket: it may have bound it by another path."""
    name = os.path.basename(path)
    with open("/proc/net/unix", encoding="utf-8", errors="surrogateescape") as sockets:
        for line in sockets:
            words = line.rstrip("\n").split(
                None, 7
            )  # Num RefCount Protocol Flags Type St Inode Path
            listening = len(words) == 8 and words[3] == "00010000"
            if listening and os.path.basename(words[7]) == name:
                return True
    return False


def beside(path: str) -> str:
    """Say what is in a folder where a file is not."""
    folder = os.path.dirname(os.path.abspath(path))
    try:
        names = sorted(os.listdir(folder))
    except OSError as error:
        return f"its folder: {error.strerror}"
    return f"beside it are: {' '.join(names)}" if names else "its folder is empty"


def one_line(text: str) -> str:
    """Return a line in which the name of a file, or of a process, acts on no terminal."""
    if text.isprintable():
        return text
    from goldlock.text import printable  # 5 ms, for few names

    return printable(text)


def place_of(error: OSError, path: str) -> str:
    """Return what an error is about: the current folder, where that is gone, or *path*."""
    try:
        os.getcwd()  # noqa: PTH109 - pathlib takes 5 ms to load
    except OSError as of_folder:
        if of_folder.errno == error.errno:
            return "the current folder"
    return path
