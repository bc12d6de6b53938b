# SPDX-License-Identifier: GPL-2.0-or-later
"""Remove directories that were made here, and nothing else: by descriptors, never by paths.

A case may put a link or a mount in the place of its directories, and leave them in any mode. What
is removed has the device and inode of what was made; no link is followed, no mount entered.
"""

import errno
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

_TOLD = 10
"""Files of a directory that cannot be removed, past which only their number is told."""

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Identity(NamedTuple):
    """What a directory is, whatever its path leads to."""

    device: int
    inode: int


def identity(path: str | Path, folder: int | None = None) -> Identity | None:
    """Return that of a path, in *folder* if given, of a link itself; None where nothing is."""
    try:
        found = os.stat(path, dir_fd=folder, follow_symlinks=False)
    except OSError:
        return None
    return Identity(found.st_dev, found.st_ino)


def remove_tree(path: Path, made: Identity | None = None) -> list[str]:
    """Remove a directory, with all in it, if it is the one that was *made*; what is gone is gone.

    Returns what could not be removed, and why, a line each.
    """
    try:
        parent = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        return []
    except OSError as error:
        return [f"{path}: {error.strerror}"]
    try:
        return remove(path.name, parent, made, str(path))
    finally:
        os.close(parent)


def remove(name: str, parent: int, made: Identity | None, shown: str) -> list[str]:
    """Remove the directory *name* in the directory *parent*, as `remove_tree` does."""
    given, found = name, identity(name, parent)
    if not found:
        return []
    if made and found != made:
        return [f"{shown}: something else stands in the place of this directory"]
    try:
        if not made:  # it is refused where something is mounted
            new = f".removed.{os.getpid()}.{name}"
            os.rename(name, new, src_dir_fd=parent, dst_dir_fd=parent)
            name = new
        opened = _open(name, parent)
        try:
            emptying = _Emptying(opened, shown)
            emptying.run()
        finally:
            os.close(opened)
        if not (said := emptying.said):
            os.rmdir(name, dir_fd=parent)
        elif name != given:
            os.rename(name, given, src_dir_fd=parent, dst_dir_fd=parent)
    except OSError as error:
        return [f"{shown}: {_why(error)}"]
    rest = len(said) - _TOLD
    return [*said[:_TOLD], *([f"{shown}: and {rest} more"] if rest > 0 else [])]


def _open(name: str, parent: int) -> int:
    """Open a directory, and have its owner read, write and search it."""
    try:
        opened = os.open(name, _FOLDER, dir_fd=parent)
    except PermissionError:
        _unlock(name, parent)
        opened = os.open(name, _FOLDER, dir_fd=parent)
    if os.fstat(opened).st_mode & 0o700 != 0o700:
        with suppress(OSError):
            os.fchmod(opened, 0o700)
    return opened


def _unlock(name: str, parent: int) -> None:
    """Change the mode of a directory that cannot be opened, and of nothing that it is a link to."""
    found = os.open(name, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=parent)
    try:
        with suppress(OSError):
            os.chmod(f"/proc/self/fd/{found}", 0o700)  # noqa: PTH101 - of a descriptor
    finally:
        os.close(found)


class _Emptying:
    """Empties a directory of any depth; *said* tells what is left of it.

    A directory in it hands its own up to *top*, and is empty then: there is no recursion. The
    kernel refuses to rename what something is mounted on (EBUSY), so no mount is entered.
    """

    def __init__(self, top: int, shown: str) -> None:
        self.said: list[str] = []
        self._top = top
        self._shown = shown
        self._paths: dict[str, str] = {}
        """Where each was that was handed up."""
        self._done: set[str] = set()

    def run(self) -> None:
        while found := [each for each in _entries(self._top) if each[0] not in self._done]:
            for name, is_folder in found:
                self._done.add(name)
                path = self._paths.get(name) or f"{self._shown}/{name}"
                if not is_folder:
                    self._attempt(path, os.unlink, name, dir_fd=self._top)
                elif name in self._paths:
                    self._attempt(path, self._dissolve, name, path)
                else:
                    self._hand_up(name, self._top, path)

    def _dissolve(self, name: str, path: str) -> None:
        before = len(self.said)
        opened = _open(name, self._top)
        try:
            for each, is_folder in _entries(opened):
                if is_folder:
                    self._hand_up(each, opened, f"{path}/{each}")
                else:
                    self._attempt(f"{path}/{each}", os.unlink, each, dir_fd=opened)
        finally:
            os.close(opened)
        if len(self.said) == before:  # else it is not empty
            os.rmdir(name, dir_fd=self._top)

    def _hand_up(self, name: str, folder: int, path: str) -> None:
        new = f".removed.{os.getpid()}.{len(self._paths)}"
        self._paths[new] = path
        self._attempt(path, self._rename, name, new, folder)

    def _rename(self, name: str, new: str, folder: int) -> None:
        try:
            os.rename(name, new, src_dir_fd=folder, dst_dir_fd=self._top)
        except PermissionError:  # a directory that is moved has to be written to
            _unlock(name, folder)
            os.rename(name, new, src_dir_fd=folder, dst_dir_fd=self._top)

    def _attempt(self, path: str, action: Callable[..., object], *given: Any, **named: Any) -> None:
        try:
            action(*given, **named)
        except FileNotFoundError:
            pass
        except OSError as error:
            self.said.append(f"{path}: {_why(error)}")


def _entries(folder: int) -> list[tuple[str, bool]]:
    """Return the names in a directory, and whether each is one itself."""
    with os.scandir(folder) as entries:
        return [(each.name, each.is_dir(follow_symlinks=False)) for each in entries]


def _why(error: OSError) -> str:
    return "something is mounted there" if error.errno == errno.EBUSY else str(error.strerror)
