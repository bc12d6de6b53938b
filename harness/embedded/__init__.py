# SPDX-License-Identifier: GPL-2.0-or-later
"""Stand-ins for qemu-img, qemu-io, qemu-nbd and qemu-system's block layer.

Every module here runs in a process of its own, started as a program, and takes
the same kernel locks on the same bytes of the same images as QEMU does.
Standard library only, and as little of it as possible at start: a utility
command lives for some 20 ms.
"""

PROGRAMS = {"qemu-system": "system", "qemu-img": "img", "qemu-io": "io"}
"""The programs, and the package here whose module ``main`` each of them is."""
