# SPDX-License-Identifier: GPL-2.0-or-later
"""What a case prints, copied from a pipe to a file for as long as the case runs.

Not a file of the case's own: a full disk would be the case's trouble, and a case that prints
for ever would fill the disk.
"""

import os

LIMIT = 256 * 1024 * 1024
"""Bytes that a case may print."""

_CHUNK = 64 * 1024  # what a pipe holds


class Transcriber:
    """Copies from `pipe` to a file; *far_end* is for the case.

    *trouble* tells, in words, why it goes on no longer: there was too much, or no room.
    """

    def __init__(self, file: int) -> None:
        self._file = file
        self._room = LIMIT
        self.pipe, self.far_end = os.pipe()
        os.set_blocking(self.pipe, False)
        self.trouble = ""

    @property
    def written(self) -> int:
        """How many bytes there were so far."""
        return LIMIT - self._room

    def copy(self) -> bool:
        """Copy what there is; tell whether there may be more."""
        while not self.trouble:
            try:
                read = os.read(self.pipe, _CHUNK)
            except BlockingIOError:
                return True
            if not read:
                return False
            self._write(read)
        return False

    def drop_far_end(self) -> None:
        """Leave the far end to the case, so that there is an end when the case has closed it."""
        if self.far_end >= 0:
            os.close(self.far_end)
            self.far_end = -1

    def close(self) -> None:
        """Close both ends."""
        self.drop_far_end()
        os.close(self.pipe)

    def _write(self, data: bytes) -> None:
        if len(data) > self._room:
            self.trouble = f"it printed more than {LIMIT // 1024**2} MiB, and was ended"
            data = data[: self._room]
        self._room -= len(data)
        try:
            while data:
                data = data[os.write(self._file, data) :]
        except OSError as error:
            self.trouble = (
                f"its output cannot be kept: {error.strerror};"
                " TEST_DIR can name a directory with more room"
            )
