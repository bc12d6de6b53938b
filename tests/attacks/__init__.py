# SPDX-License-Identifier: GPL-2.0-or-later
"""Attacks on the runner: places, programs and people that mean it no good."""
