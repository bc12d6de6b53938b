# SPDX-License-Identifier: GPL-2.0-or-later
"""Words for bytes by the names of files, as a suite declares them in its ``suite.toml``.

    [locks."*.db"]
    0x40000000 = "PENDING"
    0x40000002-0x400001ff = "SHARED"
    0x40000200- = "DATA"

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

    *last* is None for the end of the file, both are for the byte that is the pid of who locks it.
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

    def span(self, pid: int) -> "tuple[int, int | None]":
        """Return the first and the last byte that a process has this name for; None: the end."""
        return (pid, pid) if self.first is None else (self.first, self.last)


def names_of(
    words: "Iterable[FileWord]", path: str, first: int, last: int | None, pid: int
) -> list[str]:
    """Return what the bytes *first* to *last* of a file are called, locked by process *pid*.

    Each name once, in the order of bytes; the first word for a byte counts. Empty where a byte
    has no name; *last* is None for the end of the file.
    """
    spans = [(word.span(pid), word.name) for word in words if word.is_for(path)]
    names: list[str] = []
    while last is None or first <= last:
        found = next(
            ((b, name) for (a, b), name in spans if a <= first and (b is None or first <= b)), None
        )
        if not found:
            return []
        names += [found[1]] if found[1] not in names else []
        if found[0] is None:
            break
        first = found[0] + 1
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
            words.append(FileWord(pattern, int(first), int(last) if last else None, name))
    return words


def _range(word: FileWord) -> str:
    return PID if word.is_pid else f"{word.first}-{'' if word.last is None else word.last}"
