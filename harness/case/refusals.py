# SPDX-License-Identifier: GPL-2.0-or-later
"""How programs say that they were refused a lock."""

import re

REFUSED = re.compile(
    r"\b(?:is|already|not) locked\b|\block(?:ed|) (?:is held|by)\b"
    r"|\b(?:get|take|acquire|obtain)\b.*\block\b|temporarily unavailable"
    r"|\block\b.*\b(?:exists|is held)\b",
    re.IGNORECASE,
)
"""Matches what many say; a log tells then who has it."""
