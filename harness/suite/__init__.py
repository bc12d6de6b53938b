# SPDX-License-Identifier: GPL-2.0-or-later
"""A suite: its cases, their headers, and the programs under test."""
