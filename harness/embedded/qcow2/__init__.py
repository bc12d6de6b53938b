# SPDX-License-Identifier: GPL-2.0-or-later
"""The qcow2 image format."""
