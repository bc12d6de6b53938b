# SPDX-License-Identifier: GPL-2.0-or-later
"""What has become of files by name: who made which, and calls that were let through just now."""

import os

from goldlock.lockcalls.files import FileCall
from goldlock.lockcalls.holders import program_name
from goldlock.lockcalls.posix import TRIES, is_elsewhere

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from goldlock.lockcalls.calls import Call

Key = tuple[int, int, str]
"""A file's name: device and inode of its folder, and its name there."""

_MAKES = ("create", "open", "link", "mkdir", "symlink")


class FileLog:
    """Makers of files, and the last call of each thread until its effect is seen.

    *tell* adds to the trace how a call has ended that was recorded there.
    """

    def __init__(self, tell: "Callable[[str, str], object]") -> None:
        self._tell = tell
        self._makers: dict[Key, tuple[str, int]] = {}
        self._calls: dict[int, tuple[FileCall, str]] = {}

    def maker(self, key: Key) -> tuple[str, int] | None:
        """Return the name and the process id of the program that made a file; None: not known."""
        return self._makers.get(key)

    def begin(self, call: FileCall, recorded: str, result: str) -> None:
        """Note a call as it is let through; *recorded* is what the trace has of it."""
        if result.removesuffix("?") not in ("ok", "created"):
            return
        if call.call in _MAKES:
            self._makers[call.keys[-1]] = (program_name(call.pid), call.pid)
        elif call.call != "rename":
            self._makers.pop(call.keys[0], None)
        elif call.changes:
            maker = self._makers.pop(call.keys[0], None)
            self._makers.pop(call.keys[1], None)
            if maker:
                self._makers[call.keys[1]] = maker
        if call.changes:
            call.is_kept = True
            self._calls[call.tid] = (call, recorded)

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
        return all([self._is_settled(each) for each in before])  # noqa: C419 - each of them is looked at

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
