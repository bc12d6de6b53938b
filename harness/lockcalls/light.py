# SPDX-License-Identifier: GPL-2.0-or-later
"""Parts of the standard library without what makes them slow to load.

A supervisor starts ahead of programs that live 10 ms.  Of the 23 ms that it took, 8 went into
the enums that signal and socket wrap around C, and 3 into what contextlib loads.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    import socket
    import struct
else:
    import _signal as signal
    import _socket as socket
    import _struct as struct

__all__ = ["signal", "socket", "struct", "suppress"]


class suppress:  # noqa: N801 - the name of contextlib's
    """As contextlib.suppress."""

    def __init__(self, *errors: type[BaseException]) -> None:
        self._errors = errors

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> bool:
        return kind is not None and issubclass(kind, self._errors)
