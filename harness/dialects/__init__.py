# SPDX-License-Identifier: GPL-2.0-or-later
"""Dialects: how suites are laid out, and how their cases are started and judged."""
