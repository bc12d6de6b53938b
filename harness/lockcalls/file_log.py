# SPDX-License-Identifier: GPL-2.0-or-later
"""What has become of files by name: who made which, and calls that were let through just now."""

# A supervisor starts ahead of short programs, and pathlib takes 10 ms to load:
# ruff: noqa: PTH116

import os
from contextlib import suppress

from goldlock.lockcalls.files import FileCall
from goldlock.lockcalls.holders import program_name
from goldlock.lockcalls.posix import TRIES, is_elsewhere
from goldlock.lockcalls.words import quote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from goldlock.lockcalls.calls import Call

Key = tuple[int, int, str]
"""A file's name: device and inode of its folder, and its name there."""

_MAKES = ("create", "open", "link", "mkdir", "symlink")
_LOCKS = ("create", "link", "mkdir", "symlink")
"""Calls that fail where there is a file: whoever makes it has the lock."""
_LOCK_NAMES = (".lck", ".pid")
"""How names of lock files end that do not have the word in them."""


class Maker:
    """Who made a file: the program's name, its process id, by which call, and the file's path."""

    __slots__ = ("call", "path", "pid", "program")

    def __init__(self, call: FileCall) -> None:
        self.program = program_name(call.pid)
        self.pid = call.pid
        self.call = call.call
        self.path = call.names[-1].path

    def is_of_lock(self) -> bool:
        """Return whether the file is a lock, by how it was made and what it is called."""
        name = self.path.rpartition("/")[2].lower()
        return self.call in _LOCKS and ("lock" in name or name.endswith(_LOCK_NAMES))


class FileLog:
    """Makers of files, and the last call of each thread until its effect is seen.

    *tell* adds to the trace how a call has ended that was recorded there.
    """

    def __init__(self, tell: "Callable[[str, str], object]") -> None:
        self._tell = tell
        self._makers: dict[Key, Maker] = {}
        self._calls: dict[int, tuple[FileCall, str]] = {}

    def maker(self, key: Key) -> Maker | None:
        """Return who made the file of this name; None: not known."""
        return self._makers.get(key)

    def locks(self) -> "Iterator[Maker]":
        """Yield who made each lock file that is there still, under the name that it was given."""
        for (device, inode, _), maker in list(self._makers.items()):
            if maker.is_of_lock() and os.path.lexists(maker.path):
                with suppress(OSError):  # gone meanwhile
                    folder = os.stat(os.path.dirname(maker.path))  # noqa: PTH120 - as above
                    if (folder.st_dev, folder.st_ino) == (device, inode):
                        yield maker

    def lines_of_locks(self, folder: str, after: str) -> list[str]:
        """Return path, program and pid, as words of a line, for each lock file below a folder.

        They are in the order of their paths, from the first that comes behind the path *after*.
        """
        below = f"{folder.rstrip('/')}/"
        found = [each for each in self.locks() if each.path > after]
        found = [each for each in found if f"{each.path}/".startswith(below)]
        found.sort(key=lambda maker: maker.path)
        return [f"{quote(each.path)} {quote(each.program)} {each.pid}" for each in found]

    def begin(self, call: FileCall, recorded: str, result: str) -> None:
        """Note a call as it is let through; *recorded* is what the trace has of it."""
        if result.removesuffix("?") not in ("ok", "created"):
            return
        if call.call in _MAKES:
            self._makers[call.keys[-1]] = Maker(call)
        elif call.call != "rename":
            self._makers.pop(call.keys[0], None)
        elif call.changes:
            self._rename(call.keys[0], call.keys[1], call.names[1].path)
        if call.changes:
            call.is_kept = True
            self._calls[call.tid] = (call, recorded)

    def _rename(self, old: Key, new: Key, path: str) -> None:
        maker = self._makers.pop(old, None)
        self._makers.pop(new, None)
        if maker:
            maker.path = path
            maker.call = "rename"
            self._makers[new] = maker

    def next_call(self, tid: int) -> None:
        """See whether the call before has had its effect, as a thread makes another one."""
        if tid in self._calls:
            self._end(tid)

    def all_calls(self) -> None:
        """See whether calls of threads that are elsewhere by now have had their effect."""
        for tid, (call, _) in list(self._calls.items()):
            if is_elsewhere(call):
                self._end(tid)

    def settle(self, call: "Call") -> bool:
        """Wait until calls before, of other threads by the same names, have been carried out.

        Return whether they are known to be.
        """
        keys = set(call.keys) if isinstance(call, FileCall) else set()
        before = [each for each, _ in self._calls.values() if keys & set(each.keys)]
        return all([self._is_settled(each) for each in before])  # noqa: C419 - each is looked at

    def _is_settled(self, call: FileCall) -> bool:
        for _ in range(TRIES):
            if call.is_done() or is_elsewhere(call):
                self._end(call.tid)
                return True
            os.sched_yield()
        return False

    def _end(self, tid: int) -> None:
        call, recorded = self._calls.pop(tid)
        if not call.is_done():
            self._tell(recorded, "not done")
        call.is_kept = False
        call.close()
