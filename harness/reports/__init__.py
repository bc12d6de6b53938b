# SPDX-License-Identifier: GPL-2.0-or-later
"""Reports of a run: pure functions of its results, none of them loaded unless it is asked for.

TAP and JSON lines are written here, not by pytest-tap and pytest-reportlog: those know tests, not
sections, do not say what was under test, and leave half a file behind when they are interrupted.
"""
