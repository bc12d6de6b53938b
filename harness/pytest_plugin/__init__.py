# SPDX-License-Identifier: GPL-2.0-or-later
"""All that knows pytest."""

HANDED_OVER = "goldlock-handed-over"
"""The name of the plugin of pytest that is a run of the command's."""
