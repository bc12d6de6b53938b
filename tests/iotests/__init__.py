# SPDX-License-Identifier: GPL-2.0-or-later
"""QEMU's own tests, run as they are: a tree of our own in their layout, and theirs beside check."""
