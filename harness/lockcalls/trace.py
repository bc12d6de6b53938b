# SPDX-License-Identifier: GPL-2.0-or-later
"""The trace: one line for each lock call, fit for a golden.

    PROGRAM: CALL [RANGE] [(WORDS)] of FILE, KIND: RESULT

    qemu-io: probe of /dev/null, write: free
    qemu-io: lock 100 (uses consistent read) of /tmp/t.qcow2, read: ok
    qemu-io: test 201 (unshares write) of /tmp/t.qcow2, write: held by qemu-system-x86_64
    qemu-io: unlock 100 (uses consistent read) of /tmp/t.qcow2: ok
    qemu-io: lock 101 (uses write) of /tmp/t.qcow2, read: ENOLCK (injected)
    sqlite3: lock 1073741826-1073742335 of /tmp/t.db, write posix: EAGAIN (held by sqlite3)
    flock: flock of /tmp/f, exclusive waiting: waits (held by sh)

RANGE is a byte, FIRST-LAST, FIRST- (to the end), or "all"; flock and probe have none.  WORDS are
those of the suite or its kit.  KIND is read or write, of flock shared or exclusive, followed by
"posix" for a lock of the process rather than of the open file, and "waiting" for a call that waits
for a lock that is taken.

RESULT is ok, the name of an errno, or "waits": the program itself does so then; with "(held by
PROGRAM ...)" where who has the lock is known.  How a wait has ended is another line, as soon as
it is known: ok, "gave up", or "unseen".  A call that stands still is "paused" or "delayed N ms
(injected)", and has another line when it goes on.  A test is "free" or "held [by PROGRAM ...]".
A call about a POSIX lock is carried out by the kernel; its result is told beforehand, with a "?"
where another process's call may have come between, or as "unseen" where it cannot be.
"""

# A supervisor starts ahead of short programs, and pathlib takes 5 ms to load:
# ruff: noqa: PTH100

import os

from goldlock.lockcalls.calls import Call
from goldlock.lockcalls.files import FileCall
from goldlock.lockcalls.holders import program_name
from goldlock.lockcalls.words import ByteWords, quote, range_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


def line(call: Call, words: ByteWords) -> str:
    """Return the line of the trace for a call, up to its result."""
    return f"{quote(program_name(call.pid))}: {call_text(call, words)}"


def call_text(call: Call, words: ByteWords, show: "Callable[[str], str]" = str) -> str:
    """Return a call in words, without its program; *show* makes of a path what stands there."""
    text = call.call
    if isinstance(call, FileCall):
        return f"{text} {' to '.join(quote(show(name.path)) for name in call.names)}"
    if call.call in ("lock", "unlock", "test"):
        text += f" {range_text(call.first, call.last)}"
    path = call.path()
    if name := words.name(path, call.first, call.last, call.pid):
        text += f" ({name})"
    text += f" of {quote(show(path))}"
    if call.kind != "unlock":
        text += f", {call.kind}"
    text += " posix" if call.system == "POSIX" else ""
    text += " waiting" if call.waits else ""
    return text


class Trace:
    """The file that the lines go to, as each call is answered.

    problem  why it could not be written, as a disk is full: what came after is not in it. The
             programs have no part in that, and go on.
    """

    def __init__(self, path: str, words: ByteWords) -> None:
        """Make the file anew; OSError as open()."""
        self._words = words
        self.path = os.path.abspath(path)
        self.problem = ""
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND
        self.fd = os.open(path, flags, 0o666)

    def record(self, call: Call, result: str) -> str:
        """Add the line for a call, as `write` does; return what `record_end` wants of it."""
        text = line(call, self._words)
        self.write(f"{text}: {result}")
        return text

    def record_end(self, recorded: str, result: str) -> None:
        """Add the line for the end of a call that waited, as `write` does."""
        self.write(f"{recorded}: {result}")

    def write(self, text: str) -> None:
        """Add a line; it is in the file when this returns, unless there is a `problem`."""
        rest = b"" if self.problem else os.fsencode(text) + b"\n"
        try:
            while rest:
                rest = rest[os.write(self.fd, rest) :]
        except OSError as error:
            self.problem = f"cannot write the trace {self.path}: {error.strerror}"
