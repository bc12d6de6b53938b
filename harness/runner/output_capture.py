# SPDX-License-Identifier: GPL-2.0-or-later
"""What a case prints, copied from a pipe to a file for as long as the case runs.

Not a file of the case's own: a full disk would be the case's trouble, and a case that prints
for ever would fill the disk.
"""

import os

LIMIT = 256 * 1024 * 1024
"""Bytes that a case may print."""

_CHUNK = 64 * 1024  # what a pipe holds


class OutputCapture:
    """Copies from `pipe` to a file; *write_end* is for the case.

    *error* tells, in words, why it goes on no longer: there was too much, or no room.
    """

    def __init__(self, file: int) -> None:
        self._file = file
        self._left = LIMIT
        self.pipe, self.write_end = os.pipe()
        os.set_blocking(self.pipe, False)
        self.error = ""

    @property
    def written(self) -> int:
        """How many bytes there were so far."""
        return LIMIT - self._left

    def copy(self) -> bool:
        """Copy what there is; tell whether there may be more."""
        while not self.error:
            try:
                read = os.read(self.pipe, _CHUNK)
            except BlockingIOError:
                return True
            if not read:
                return False
            self._write(read)
        return False

    def drop_write_end(self) -> None:
        """Leave the far end to the case, so that there is an end when the case has closed it."""
        if self.write_end >= 0:
            os.close(self.write_end)
            self.write_end = -1

    def close(self) -> None:
        """Close both ends."""
        self.drop_write_end()
        os.close(self.pipe)

    def _write(self, data: bytes) -> None:
        if len(data) > self._left:
            self.error = f"it printed more than {LIMIT // 1024**2} MiB, and was ended"
            data = data[: self._left]
        self._left -= len(data)
        try:
            while data:
                data = data[os.write(self._file, data) :]
        except OSError as error:
            self.error = (
                f"its output cannot be kept: {error.strerror};"
                " TEST_DIR can name a directory with more room"
            )
