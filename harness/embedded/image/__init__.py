# SPDX-License-Identifier: GPL-2.0-or-later
"""Images as the programs see them: opened by name or by options, described, made, resized."""
