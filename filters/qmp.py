# SPDX-License-Identifier: GPL-2.0-or-later
"""What a QMP monitor says."""

import re

_TIME = re.compile(r'("(?:micro)?seconds":) +-?\d+')
_GREETING = re.compile(r'^\{"QMP": ?\{.*\}\}\r?$', re.M)


def qmp(text: str) -> str:
    r"""Blank out the times of events, and the greeting, which holds a version.

    before: ``{"timestamp": {"seconds": 1608558570, "microseconds": 17}, "event": "STOP"}``
    after:  ``{"timestamp": {"seconds":  TIMESTAMP, "microseconds":  TIMESTAMP}, "event": "STOP"}``
    """
    return _GREETING.sub("QMP_VERSION", _TIME.sub(r"\1  TIMESTAMP", text))


def escaped_line_ends(text: str) -> str:
    r"""Drop the backslashes of escaped line ends in a JSON text.

    The shell that the tests of QEMU were first written for dropped them, and their
    goldens keep that.

    before: ``{"return": "OK\\r\\n"}``
    after:  ``{"return": "OKrn"}``
    """
    return re.sub(r"\\+(?=[rn])", "", text)
