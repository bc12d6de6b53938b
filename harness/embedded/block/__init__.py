# SPDX-License-Identifier: GPL-2.0-or-later
"""The block layer: nodes, permissions, files and their locks."""
