# SPDX-License-Identifier: GPL-2.0-or-later
"""Goldens: chosen, compared, explained, judged by, reviewed, and written."""
