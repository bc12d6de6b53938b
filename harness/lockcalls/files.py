# SPDX-License-Identifier: GPL-2.0-or-later
"""Calls that make, rename and remove files, as programs that lock by files make them.

The kernel carries them out, by the rights and in the folder of the program.  What it will answer
is found out beforehand, while the call is held: see `FileCall.foretell`.
"""

# A supervisor starts ahead of short programs, and pathlib takes 10 ms to load:
# ruff: noqa: PTH116, PTH123

import errno
import os
import stat
import struct

from goldlock.lockcalls.abi import AARCH64, ARM, I386, X86_64
from goldlock.lockcalls.calls import Call, OtherCallError, UncertainError
from goldlock.lockcalls.copies import memory_of
from goldlock.lockcalls.file_names import AT_FDCWD, Name, error_of
from goldlock.lockcalls.file_numbers import FILE_NUMBERS, FLAGS_AT, O_CREAT, O_EXCL

TYPE_CHECKING = False
if TYPE_CHECKING:
    from goldlock.lockcalls.seccomp import Notification

Shape = tuple[str, tuple[tuple[int | None, int], ...]]
_SHAPES: dict[str, Shape] = {
    "open": ("create", ((None, 0),)),
    "creat": ("open", ((None, 0),)),
    "openat": ("create", ((0, 1),)),
    "openat2": ("create", ((0, 1),)),
    "mkdir": ("mkdir", ((None, 0),)),
    "mkdirat": ("mkdir", ((0, 1),)),
    "rmdir": ("rmdir", ((None, 0),)),
    "unlink": ("unlink", ((None, 0),)),
    "unlinkat": ("unlink", ((0, 1),)),
    "symlink": ("symlink", ((None, 1),)),
    "symlinkat": ("symlink", ((1, 2),)),
    "link": ("link", ((None, 0), (None, 1))),
    "linkat": ("link", ((0, 1), (2, 3))),
    "rename": ("rename", ((None, 0), (None, 1))),
    "renameat": ("rename", ((0, 1), (2, 3))),
    "renameat2": ("rename", ((0, 1), (2, 3))),
}
"""What each call is in a plan, and which arguments are folder (None: the current one) and path."""

_AT_REMOVEDIR, _AT_SYMLINK_FOLLOW, _AT_EMPTY_PATH = 0x200, 0x400, 0x1000
_RENAME_NOREPLACE, _RENAME_EXCHANGE, _RENAME_WHITEOUT = 1, 2, 4
_FLAGS = {
    "unlinkat": (2, _AT_REMOVEDIR),
    "linkat": (4, _AT_SYMLINK_FOLLOW | _AT_EMPTY_PATH),
    "renameat2": (4, _RENAME_NOREPLACE | _RENAME_EXCHANGE | _RENAME_WHITEOUT),
}
"""Which argument has the flags of a call, and those that there are."""

_O_PATH, _O_TMPFILE = 0x200000, 0x400000
_O_DIRECTORY = {X86_64: 0x10000, I386: 0x10000, AARCH64: 0x4000, ARM: 0x4000}
_OPEN_FLAGS, _MODES = 0x7FFFC3, 0o7777
_HOW = struct.Struct("=QQQ")  # struct open_how of openat2(2): flags, mode, resolve
_LONGEST_PATH = 4096


class FileCall(Call):
    """A call that makes, renames or removes a file.

    names  its one name, or the old and the new one; close() lets go of them, unless they are kept
    sure   whether the program's rights, root and mounts are those of the supervisor
    in_the_way  the process that made the file that is there already, where it is known
    changes  whether a call that is "ok" makes a name, or lets one vanish
    """

    system = "file"
    kind = ""
    waits = False
    refusals = (errno.EEXIST, errno.ENOENT)

    def __init__(self, notification: "Notification") -> None:
        """Read the call; OSError when the process cannot be looked into, OtherCallError: no file.

        ValueError: the kernel refuses it for what it says, before it looks for a file.
        """
        self.tid = notification.tid
        self.number = notification.number
        name = FILE_NUMBERS[notification.arch].get(self.number, "")
        self.call, places = self._shape(name)
        self._args = notification.args
        self._is_led = False  # by more than its path
        self._flags = self._read_flags(name)
        self._correct_call(name, notification.arch)
        self.pid, user = _process_and_user(self.tid)
        self.sure = user == os.geteuid() and _sees_the_same_files(self.tid)
        self.is_kept = False
        self.names: list[Name] = []
        try:
            for place in places:
                self.names.append(self._name(notification, *place))
        except (OSError, ValueError):
            self.close()
            raise
        self.file = self.names[0].key[:2]
        self.in_the_way: int | None = None
        self.changes = True

    def _shape(self, name: str) -> Shape:
        return _SHAPES[name]

    def _correct_call(self, name: str, arch: int) -> None:
        if self.call == "create":
            if not self._flags & O_CREAT or self._flags & _O_PATH:
                raise OtherCallError
            if self._flags & (_O_TMPFILE | _O_DIRECTORY[arch]):  # kernels differ in the latter
                raise ValueError("no file is made with such flags")
            self.call = "create" if self._flags & O_EXCL else "open"
        elif name == "unlinkat" and self._flags & _AT_REMOVEDIR:
            self.call = "rmdir"

    def _read_flags(self, name: str) -> int:
        if name == "openat2":
            return self._flags_of_openat2()
        place, known = _FLAGS.get(name, (FLAGS_AT.get(name), 0xFFFFFFFF))
        flags = self._args[place] & 0xFFFFFFFF if place is not None else 0
        exchanges = self.call == "rename" and flags & _RENAME_EXCHANGE
        if flags & ~known or (exchanges and flags != exchanges):
            raise ValueError("no such flags")
        return flags

    def _flags_of_openat2(self) -> int:
        how = memory_of(self.tid, self._args[2], _HOW.size)
        if len(how) < _HOW.size:
            raise OSError(errno.EFAULT, "struct open_how crosses the end of memory")
        flags, mode, resolve = _HOW.unpack(how)
        if self._args[3] != _HOW.size or flags & ~_OPEN_FLAGS or mode & ~_MODES:
            raise ValueError("no such flags")
        self._is_led = bool(resolve)
        return int(flags)

    def _name(self, notification: "Notification", folder: int | None, path: int) -> Name:
        number = AT_FDCWD if folder is None else notification.signed(folder)
        text, end, _ = memory_of(self.tid, self._args[path], _LONGEST_PATH).partition(b"\0")
        if not (text and end):
            raise ValueError("not a path")
        return Name(self.tid, number, os.fsdecode(text))

    def close(self) -> None:
        if not self.is_kept:
            for name in self.names:
                name.close()

    def look_again(self) -> None:
        """See where the names lead now: others may have had time since the call was read."""
        self.close()
        self.names = [name.again() for name in self.names]

    def holding(self) -> list[int]:
        return [] if self.in_the_way is None else [self.in_the_way]

    @property
    def keys(self) -> list[tuple[int, int, str]]:
        """Return what is equal for calls on equal names."""
        return [name.key for name in self.names]

    def path(self) -> str:
        """Return the name, or both, as a trace has them."""
        return self.names[0].path

    def is_on(self, path: str) -> bool:
        return self._is(self.names[0], path)

    def is_to(self, path: str) -> bool:
        """Return whether a path is the new name of a call that has two."""
        return self._is(self.names[-1], path)

    def _is(self, name: Name, path: str) -> bool:
        folder, _, last = path.rpartition("/")
        try:
            status = os.stat(folder or "/")
        except OSError:
            return False
        return (status.st_dev, status.st_ino, last) == name.key

    def foretell(self) -> str:
        """Return "ok", or "created" of an open, or raise OSError as the kernel will.

        It is asked what there is by each name, in the kernel's order, and then whether the folder
        may be changed.  What only the call itself can find out, such as a full disk, is not seen.
        """
        if self._is_led:
            raise UncertainError
        is_odd = any(name.is_odd for name in self.names)
        if is_odd and self.call not in ("mkdir", "rmdir"):
            raise UncertainError
        if self.call == "rmdir" and self.names[0].name in ("", "."):
            raise UncertainError
        if self.call == "link":
            self._foretell_link()
            return self._allowed("ok")
        found = [name.status() for name in self.names]
        if self.call in ("unlink", "rmdir"):
            self._foretell_removal(found[0])
        elif self.call == "rename":
            self._foretell_rename(*found)
        elif found[0] is not None:
            if self.call == "open":
                return ""
            raise error_of(errno.EEXIST)
        return self._allowed("created" if self.call == "open" else "ok")

    def _allowed(self, result: str) -> str:
        changed = self.names[-1:] if self.call == "link" else self.names
        for name in changed if self.sure else ():
            name.require_change()
        return result

    def _foretell_removal(self, found: os.stat_result | None) -> None:
        if found is None:
            raise error_of(errno.ENOENT)
        is_folder = stat.S_ISDIR(found.st_mode)
        if self.call == "unlink" and is_folder:
            raise error_of(errno.EISDIR)
        if self.call == "rmdir":
            if not is_folder:
                raise error_of(errno.ENOTDIR)
            if not self.names[0].is_empty():
                raise error_of(errno.ENOTEMPTY)

    def _foretell_link(self) -> None:
        name, new_name = self.names
        follows = bool(self._flags & _AT_SYMLINK_FOLLOW)
        old = name.status(follow=follows)  # before the new folder is looked for
        if old is None:
            raise error_of(errno.ENOENT)
        if new_name.status() is not None:
            raise error_of(errno.EEXIST)
        if not follows:
            self._require_one_file_system()
        if stat.S_ISDIR(old.st_mode):
            raise error_of(errno.EPERM)

    def _foretell_rename(self, old: os.stat_result | None, new: os.stat_result | None) -> None:
        self._require_one_file_system()
        if old is None or (self._flags & _RENAME_EXCHANGE and new is None):
            raise error_of(errno.ENOENT)
        if self._flags & _RENAME_NOREPLACE and new is not None:
            raise error_of(errno.EEXIST)
        old_path, new_path = (f"{name.path}/" for name in self.names)
        if old_path != new_path and new_path.startswith(old_path):
            raise error_of(errno.EINVAL)  # a folder into itself
        if old_path != new_path and old_path.startswith(new_path):
            raise error_of(errno.ENOTEMPTY)
        if new is None:
            return
        self.changes = not self._flags & _RENAME_EXCHANGE and not os.path.samestat(old, new)
        if not self.changes:
            return
        was_folder, is_folder = stat.S_ISDIR(old.st_mode), stat.S_ISDIR(new.st_mode)
        if was_folder != is_folder:
            raise error_of(errno.ENOTDIR if was_folder else errno.EISDIR)
        if is_folder and not self.names[1].is_empty():
            raise error_of(errno.ENOTEMPTY)

    def _require_one_file_system(self) -> None:
        # Of the folders: on an overlay, files have numbers of other devices.
        if self.names[0].key[0] != self.names[1].key[0]:
            raise error_of(errno.EXDEV)

    def is_done(self) -> bool:
        """Return whether what the call is to bring about is so."""
        gone = self.call in ("unlink", "rmdir", "rename")
        try:
            there = self.names[0 if gone else -1].status() is not None
        except OSError:  # somebody removed the folder, with all that is in it
            return gone
        return there != gone


def _process_and_user(tid: int) -> tuple[int, int]:
    """Return the process of a thread, and the user by whose rights it uses files."""
    with open(f"/proc/{tid}/status", "rb") as status:
        found = {line.split(b":")[0]: line.split() for line in status}
    return int(found[b"Tgid"][1]), int(found[b"Uid"][4])


def _sees_the_same_files(tid: int) -> bool:
    """Return whether paths lead a thread where they lead this process."""
    return all(
        os.path.samestat(os.stat(f"/proc/{tid}/{what}"), os.stat(f"/proc/self/{what}"))
        for what in ("root", "ns/mnt")
    )
