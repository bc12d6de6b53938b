# SPDX-License-Identifier: GPL-2.0-or-later
"""What a case does, step by step, for a script that repeats it; nothing unless it is asked for.

One step is a line of JSON, with its kind in ``step``. The programs say what they do; what the
case itself does to its files is seen by an audit hook of Python.
"""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO, Any

SIZE_LIMIT = 1024 * 1024
"""Bytes of a file that a case wrote, past which a script does not repeat it."""

_REMOVALS = {"os.remove": ["rm"], "os.rmdir": ["rmdir"], "os.mkdir": ["mkdir"]}
_PAIRS = {"os.symlink": ["ln", "-s"], "os.link": ["ln"], "os.rename": ["mv"]}
_NO_FOLDER = -1


class _Recorder:
    """Writes steps to a file. *directory* is that of the case: others are none of its steps."""

    def __init__(self, file: IO[bytes], directory: str) -> None:
        self._file = file
        self._directory = f"{directory}/"
        self._written: dict[str, None] = {}
        self._trees: set[str] = set()

    def note(self, step: str, fields: dict[str, Any]) -> None:
        if step in {"run", "hold", "send"}:
            self._note_files()
        line = json.dumps({"step": step, **fields})
        self._file.write(line.encode() + b"\n")

    def finish(self) -> None:
        self._note_files()

    def take_over(self, lines: bytes) -> None:
        self._note_files()
        self._file.write(lines)
        with suppress(FileNotFoundError):
            self.note("change", {"argv": ["cd", os.getcwd()]})  # noqa: PTH109 - it went elsewhere

    def hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Take note of a change that the case makes to its files."""
        if _recorder is self:  # a hook cannot be taken back
            with suppress(OSError):  # there may be no current directory
                self._hear(event, arguments)

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            path, _, flags = arguments
            if flags & (os.O_WRONLY | os.O_RDWR) and (path := self._mine(path)):
                self._written[path] = None
        elif event == "shutil.rmtree" and (path := self._mine(arguments[0])):
            self._change(["rm", "-r", path])
            self._trees.add(path)
        elif event in _REMOVALS and arguments[-1] == _NO_FOLDER:
            path = self._mine(arguments[0])
            if path in self._trees:
                self._trees.remove(path)  # the end of an rmtree
            elif path:
                self._change([*_REMOVALS[event], path])
        elif event in _PAIRS and arguments[-1] == _NO_FOLDER:
            self._change_pair(event, *map(str, map(os.fsdecode, arguments[:2])))
        elif event == "os.truncate" and (path := self._mine(arguments[0])):
            self._change(["truncate", "-s", str(arguments[1]), path])

    def _change_pair(self, event: str, source: str, target: str) -> None:
        if path := self._mine(target):
            source = source if event == "os.symlink" else os.path.abspath(source)  # noqa: PTH100 - as below
            self._change([*_PAIRS[event], source, path])

    def _change(self, argv: list[str]) -> None:
        self._note_files()
        self.note("change", {"argv": argv})

    def _mine(self, path: object) -> str:
        """Return the absolute path of a file of the case; nothing for any other."""
        if not isinstance(path, str | bytes | os.PathLike):
            return ""
        name = os.path.abspath(os.fsdecode(path))  # noqa: PTH100 - pathlib, in a hook that all opens call?
        return name if name.startswith(self._directory) else ""

    def _note_files(self) -> None:
        """Take note of what is in the files that the case opened to write."""
        written, self._written = [*self._written], {}
        for path in written:
            try:
                with open(path, "rb") as file:  # noqa: PTH123 - as above
                    content = file.read(SIZE_LIMIT + 1)
            except OSError:
                continue
            known = content.decode("latin-1") if len(content) <= SIZE_LIMIT else None
            self.note("file", {"path": path, "content": known})


_recorder: _Recorder | None = None


def record(path: str, directory: str) -> None:
    """From now on, write the steps of the case that works in *directory* to the file *path*."""
    global _recorder  # noqa: PLW0603 - a process is one case, and an audit hook is for ever
    _recorder = _Recorder(open(path, "ab", buffering=0), directory)  # noqa: PTH123, SIM115 - until the case ends
    sys.addaudithook(_recorder.hear)


def forget() -> None:
    """Record nothing more in this process: a fork that is no part of the case, but a program."""
    global _recorder  # noqa: PLW0603 - as above
    _recorder = None


@contextmanager
def unheard() -> Iterator[None]:
    """Record nothing of what is done meanwhile: it is the harness's doing, and not the case's."""
    global _recorder  # noqa: PLW0603 - as above
    before, _recorder = _recorder, None
    try:
        yield
    finally:
        _recorder = before


def finish() -> None:
    """Write what is still to be written at the end of a part: others may use its files."""
    if _recorder:
        _recorder.finish()


def take_over(lines: bytes) -> None:
    """Add the steps of a part of the case, which has recorded them for itself."""
    if _recorder:
        _recorder.take_over(lines)


def note(step: str, **fields: Any) -> None:
    """Write a step, if steps are recorded."""
    if _recorder:
        _recorder.note(step, fields)
