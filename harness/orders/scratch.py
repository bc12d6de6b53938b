# SPDX-License-Identifier: GPL-2.0-or-later
"""The folder that each order begins with: what the set-up made, copied anew; and what is left."""

import hashlib
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from goldlock.text import count

_BLOCK = 65536
_ZEROS = [bytes(_BLOCK >> halved) for halved in range(_BLOCK.bit_length())]
_NAMED = {stat.S_IFIFO: "a fifo", stat.S_IFSOCK: "a socket", stat.S_IFDIR: "a folder"}


def copy_tree(source: Path, target: Path) -> None:
    """Copy a folder with its files, links, holes and times to *target*, which is not there yet."""
    shutil.copytree(source, target, symlinks=True, copy_function=_copy_file)


def _copy_file(source: str, target: str, *, follow_symlinks: bool = True) -> None:
    """Copy the data of a file, and leave its holes."""
    del follow_symlinks  # links are made by copytree itself
    mode = os.lstat(source).st_mode
    if stat.S_ISFIFO(mode):
        os.mkfifo(target)
    elif stat.S_ISREG(mode):
        with open(source, "rb") as old, open(target, "wb") as new:  # noqa: PTH123 - for each order
            size = os.fstat(old.fileno()).st_size
            for first, last in _data(old.fileno(), size):
                at = first
                while at < last:
                    at += os.copy_file_range(old.fileno(), new.fileno(), last - at, at, at)
            new.truncate(size)
        shutil.copystat(source, target)


def _data(fd: int, size: int) -> Iterator[tuple[int, int]]:
    """Yield where a file has data, from the first byte up to the one after the last."""
    last = 0
    with suppress(OSError):  # ENXIO: no more data
        while last < size:
            first = os.lseek(fd, last, os.SEEK_DATA)
            last = os.lseek(fd, first, os.SEEK_HOLE)
            yield first, last


def listing(folder: Path) -> str:
    """Return a line for each file below a folder: its name, size, and a checksum of its data."""
    lines = []
    for path in sorted(folder.rglob("*")):
        status = path.lstat()
        kind = stat.S_IFMT(status.st_mode)
        name = path.relative_to(folder)
        if kind == stat.S_IFREG:
            sum_of = f", {_checksum(path, status.st_size)}" if status.st_size else ""
            lines.append(f"{name}: {count(status.st_size, 'byte')}{sum_of}")
        elif kind == stat.S_IFLNK:
            lines.append(f"{name}: a link to {path.readlink()}")
        else:
            lines.append(f"{name}: {_NAMED.get(kind, 'a device')}")
    return "".join(f"{line}\n" for line in lines) or "no files\n"


def _checksum(path: Path, size: int) -> str:
    """Return a short checksum of a file, the same whether zeros are written or a hole."""
    total = hashlib.sha256()
    with path.open("rb") as file:
        for first, last in _data(file.fileno(), size):
            for start in range(first - first % _BLOCK, last, _BLOCK):
                block = os.pread(file.fileno(), _BLOCK, start)
                for zeros in _ZEROS:  # rstrip looks at each byte by itself
                    block = block.removesuffix(zeros)
                if block:
                    total.update(b"%d:%d:" % (start, len(block)) + block)
    return total.hexdigest()[:8]
