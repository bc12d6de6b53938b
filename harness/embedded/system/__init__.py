# SPDX-License-Identifier: GPL-2.0-or-later
"""qemu-system's block layer and monitors."""
