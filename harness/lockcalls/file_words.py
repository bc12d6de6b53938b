# SPDX-License-Identifier: GPL-2.0-or-later
"""Words for bytes by the names of files, as a suite declares them in its ``suite.toml``.

    [locks."*.db"]
    0x40000000 = "PENDING"
    0x40000002-0x400001ff = "SHARED"

    [locks."lock.mdb"]
    pid = "READER"

A pattern is of the shell's kind; it is held against a file's name, or against as many of the last
parts of its path as the pattern has. ``pid`` is the byte whose number is the pid of the process
that locks it. What is declared travels in the environment variable GOLDLOCK_LOCKS, a line a word:
pattern, range and name, with tabs between them.
"""

LOCKS_VARIABLE = "GOLDLOCK_LOCKS"
PID = "pid"
"""The range that is one byte, whose number is a pid."""

TYPE_CHECKING = False  # as in typing, which takes 5 ms to load
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


class FileWord:
    """The bytes *first* to *last* of files like *pattern* are called *name*.

    *first* and *last* are None for the byte that is the pid of who locks it.
    """

    def __init__(self, pattern: str, first: int | None, last: int | None, name: str) -> None:
        self.pattern = pattern
        self.first = first
        self.last = last
        self.name = name

    @property
    def is_pid(self) -> bool:
        """Whether the byte is the pid of who locks it."""
        return self.first is None

    def is_for(self, path: str) -> bool:
        """Tell whether the file at *path* is like the pattern."""
        from fnmatch import fnmatchcase  # 5 ms that a supervisor without such words saves

        parts = self.pattern.count("/") + 1
        end = "/".join(path.removesuffix(" (deleted)").split("/")[-parts:])
        return fnmatchcase(end, self.pattern)

    def span(self, pid: int) -> tuple[int, int]:
        """Return the first and the last byte that a process has this name for."""
        if self.first is None or self.last is None:
            return pid, pid
        return self.first, self.last


def names_of(
    words: "Iterable[FileWord]", path: str, first: int, last: int | None, pid: int
) -> list[str]:
    """Return what the bytes *first* to *last* of a file are called, locked by process *pid*.

    Each name once, in the order of bytes; the first word for a byte counts. Empty where a byte
    has no name; also for *last* None, the end of the file.
    """
    if last is None:
        return []
    spans = [(word.span(pid), word.name) for word in words if word.is_for(path)]
    names: list[str] = []
    while first <= last:
        found = next(((end, name) for (a, end), name in spans if a <= first <= end), None)
        if not found:
            return []
        first = found[0] + 1
        names += [found[1]] if found[1] not in names else []
    return names


def pack(words: "Iterable[FileWord]") -> str:
    """Return the value of GOLDLOCK_LOCKS that `unpack` reads back."""
    return "\n".join(f"{w.pattern}\t{_range(w)}\t{w.name}" for w in words)


def unpack(text: str) -> "Sequence[FileWord]":
    """Read the value of GOLDLOCK_LOCKS; raise ValueError for what `pack` did not write."""
    words = []
    for line in text.split("\n") if text else ():
        pattern, range_, name = line.split("\t")
        if range_ == PID:
            words.append(FileWord(pattern, None, None, name))
        else:
            first, last = range_.split("-")
            words.append(FileWord(pattern, int(first), int(last), name))
    return words


def _range(word: FileWord) -> str:
    return PID if word.is_pid else f"{word.first}-{word.last}"
