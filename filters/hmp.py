# SPDX-License-Identifier: GPL-2.0-or-later
"""What a human monitor says."""

import re

_ERASE = "\x1b[K"
_LEFT = "\x1b[D"
_TYPED = re.compile(rf"^(\(qemu\) )?[^\n]*{re.escape(_LEFT)}", re.M)


def hmp(text: str) -> str:
    r"""Keep the last state of a line that the monitor's line editor wrote letter by letter.

    before: ``(qemu) q\x1b[K\x1b[Dqu\x1b[K\x1b[D\x1b[Dquit\x1b[K``
    after:  ``(qemu) quit``
    """
    while _ERASE in text:
        text = text.replace(_ERASE, "")
    return _TYPED.sub(lambda found: found[1] or "", text)
