# SPDX-License-Identifier: GPL-2.0-or-later
"""What locks of bytes mean to QEMU."""

from goldlock.kits.qemu.bytes import WORDS

__all__ = ["WORDS"]
