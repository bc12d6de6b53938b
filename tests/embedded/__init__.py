# SPDX-License-Identifier: GPL-2.0-or-later
"""Tests of the embedded programs, most of them against the real ones."""
