# SPDX-License-Identifier: GPL-2.0-or-later
"""What ``qemu-io`` says."""

import re

_SPEED = re.compile(
    r"\d+ ops; [0-9:. a-z]*\([0-9./einf+]* ?[EPTGMKiBbytes]*/sec and [0-9.einf+/]* ops/sec\)"
)
_PROMPTS = re.compile(r"^(?:qemu-io> )+", re.M)


def qemu_io(text: str) -> str:
    r"""Blank out speeds, and drop the prompts at the start of lines.

    before: ``512 bytes, 1 ops; 00.00 sec (12.2 MiB/sec and 25000.0000 ops/sec)``
    after:  ``512 bytes, X ops; XX:XX:XX.X (XXX YYY/sec and XXX ops/sec)``
    """
    text = _PROMPTS.sub("", text)
    return _SPEED.sub("X ops; XX:XX:XX.X (XXX YYY/sec and XXX ops/sec)", text)
