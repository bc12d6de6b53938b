# SPDX-License-Identifier: GPL-2.0-or-later
"""Who made which file, as a trace tells that has files in it."""

import os
import re

_WORD = r'"(?:[^"\\]|\\.)*"|\S+'
_CALL = "create|open|link|mkdir|symlink|rename"
_LINE = re.compile(rf"({_WORD}): ({_CALL}) ({_WORD})(?: to ({_WORD}))?: (?:ok|created)\??")
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r"}


def makers(trace: str) -> dict[str, str]:
    """Return the program that made each file, by its path; one that is renamed keeps its maker."""
    found: dict[str, str] = {}
    for line in trace.split("\n"):
        if match := _LINE.fullmatch(line):
            program, call, path, to = (_unquoted(word or "") for word in match.groups())
            if call == "rename":
                program = found.pop(path, "")
            if program:
                found[to or path] = program
    return found


def left_outside(trace: str, folder: str) -> dict[str, str]:
    """Return, as `makers`, the files that are there still, and not below a folder."""
    return {
        path: program
        for path, program in makers(trace).items()
        if not path.startswith(f"{folder}/") and os.path.lexists(path)
    }


def _unquoted(word: str) -> str:
    if not word.startswith('"'):
        return word
    return re.sub(r"\\(.)", lambda found: _ESCAPED.get(found[1], found[1]), word[1:-1])
