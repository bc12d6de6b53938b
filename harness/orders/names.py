# SPDX-License-Identifier: GPL-2.0-or-later
"""Names of files: which calls make, remove or exchange what is there by them, and which look."""

# Asked at each such call of each program, where pathlib takes longer than the kernel:
# ruff: noqa: PTH114, PTH115

import errno
import os
import stat
from collections.abc import Callable, Iterator

from goldlock.lockcalls.calls import Call, LockCall
from goldlock.lockcalls.file_names import Name, error_of
from goldlock.lockcalls.files import FileCall
from goldlock.orders import effects
from goldlock.orders.data import DataCall, data_effect
from goldlock.orders.effects import Effect

_MOST_LINKS = 40  # that the kernel follows
_MAKE, _REMOVE = ("open", "create", "mkdir", "symlink"), ("unlink", "rmdir")


class Named(FileCall):
    """A call on a file by its name, that may leave names as they are.

    makes_names  whether it makes the file if there is none
    cuts         whether it cuts the file off
    follows      whether it is about what a link leads to
    """

    makes_names = False
    cuts = False
    follows = True

    def foretell(self) -> str:
        if self.makes_names:
            return super().foretell()
        name = self.names[0]
        found = name.status(follow=self.follows)
        if found is None:
            raise error_of(errno.ENOENT)
        if not self.cuts:
            return "ok"
        if stat.S_ISDIR(found.st_mode):
            raise error_of(errno.EISDIR)
        path = name.name or "."
        if self.sure and not os.access(path, os.W_OK, dir_fd=name.folder, effective_ids=True):
            raise error_of(errno.EACCES)
        return "ok"

    def sees_from(self, *, reads: bool) -> int | None:
        """Return the first byte of the file that makes a difference to who made the call.

        None: the data makes none. Unless *reads* are steps, it may read the file then.
        """
        return None if reads else 0


def name_effects(call: FileCall, short: Callable[[str], str]) -> Iterator[Effect]:
    """Yield what a call does to names, as they are now; *short* makes of a path what it is called.

    Where the folder has what is to be made, or has not what is to be removed, it only looks.
    """
    paths = [_path(name) for name in call.names]
    looks = isinstance(call, Named) and not call.makes_names
    looks = looks or only_looks(call.call, is_there=_is_there(call.names[0]))
    changed = [] if looks else paths[-1:] if call.call == "link" else list(paths)
    if isinstance(call, Named) and (target := _followed(call)) != paths[0]:
        changed += [target] if call.makes_names and not os.path.lexists(target) else []
        paths.append(target)
    follows = isinstance(call, Named) and call.follows
    links = [link for name in call.names for link in _links(name, follows=follows)]
    for path in dict.fromkeys((*paths, *links)):
        yield from name_effect(short(path), changes=path in changed)


def only_looks(call: str, *, is_there: bool) -> bool:
    """Return whether a call leaves names as they are, by whether there is what it is about."""
    return is_there if call in _MAKE else call in _REMOVE and not is_there


def name_effect(name: str, *, changes: bool) -> Iterator[Effect]:
    """Yield what is done to a name by who changes what is there, or looks at it.

    Either looks at the folders that it is in.
    """
    mode = effects.WRITE if changes else effects.LOOK_READ
    while name:
        yield Effect(f"the name {name}", 0, None, mode, is_lock=False)
        mode = effects.LOOK_READ
        name = name.rpartition("/")[0]


def data_effects(
    call: Call, name: str, short: Callable[[str], str], *, reads: bool
) -> Iterator[Effect]:
    """Yield what a call does to the data of files: *name* is that of an open file.

    Unless *reads* are steps of their own, a program may read a file after it opened it, or made a
    lock call on it: what changes the data may come before that, or after it.
    """
    if isinstance(call, DataCall):
        yield from call.effects(name, short)
    elif isinstance(call, Named):
        first = 0 if call.cuts else call.sees_from(reads=reads)
        if first is not None:
            mode = effects.WRITE if call.cuts else effects.LOOK_READ
            yield data_effect(short(_followed(call)), mode, first)
    elif isinstance(call, FileCall) and call.call == "rename":
        for renamed in call.names:
            yield data_effect(short(renamed.path), effects.WRITE)
    elif isinstance(call, LockCall) and not reads:
        yield data_effect(name, effects.LOOK_READ)


def _is_there(name: Name) -> bool:
    try:
        return name.status() is not None
    except OSError:  # there is no such folder, and nothing can be made in it
        return True


def _followed(call: FileCall) -> str:
    """Return the path of the file that a call is about: where a link leads, if it follows that."""
    path = _path(call.names[0])
    follows = isinstance(call, Named) and call.follows and os.path.islink(path)
    return os.path.realpath(path) if follows else path


def _path(name: Name) -> str:
    """Return the path of a name, with no link on the way; where there is no folder, too."""
    folder, _, last = name.path.rpartition("/")
    return os.path.normpath(f"{os.path.realpath(folder)}/{last}" if name.problem else name.path)


def _links(name: Name, *, follows: bool) -> Iterator[str]:
    """Yield the symbolic links on the way to what a name is of, itself too if that *follows*."""
    given, path = name.given().rstrip("/"), _path(name)
    if os.path.normpath(f"/{given.lstrip('/')}") == path and not (follows and os.path.islink(path)):
        return
    todo = (given if follows else given.rpartition("/")[0]).split("/")[::-1]
    here, left = "", _MOST_LINKS
    while todo and left:
        part = todo.pop()
        folder = here
        here = folder.rpartition("/")[0] if part == ".." else f"{folder}/{part}"
        if part in ("", "."):
            here = folder
        elif part != ".." and os.path.islink(here):
            yield here
            target = os.readlink(here)
            here = "" if target.startswith("/") else folder
            todo += target.split("/")[::-1]
            left -= 1
