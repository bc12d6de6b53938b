# SPDX-License-Identifier: GPL-2.0-or-later
"""Programs that a case starts by their names, in the shell or by any other means, are in its log.

A script of a program's name stands first on the case's PATH. It puts the command line into the
log, and the program takes its place, with its own name: nothing else is another than without. How
the program ends, the script does not see.
"""

import tempfile
from collections.abc import Iterable
from pathlib import Path

from goldlock.stand_ins import LEAVE_PATH

_LOG_IT = r"""#!/bin/sh
# Puts down in the log of the case what is started, and becomes it.
goldlock_line="$ ${0##*/}"
for goldlock_word; do
    goldlock_quoted=
    case $goldlock_word in
    '' | *[!A-Za-z0-9_@%+=:,./-]*)
        while [ "$goldlock_word" != "${goldlock_word%%\'*}" ]; do
            goldlock_quoted="$goldlock_quoted${goldlock_word%%\'*}'\"'\"'"
            goldlock_word=${goldlock_word#*\'}
        done
        goldlock_line="$goldlock_line '$goldlock_quoted$goldlock_word'"
        ;;
    *) goldlock_line="$goldlock_line $goldlock_word" ;;
    esac
done
for goldlock_file in "$GOLDLOCK_LOG" "$GOLDLOCK_PRINT"; do
    [ -z "$goldlock_file" ] || printf '%s\n' "$goldlock_line" 2>/dev/null >>"$goldlock_file"
done
"""
_SCRIPT = f'{_LOG_IT}{LEAVE_PATH}exec "${{0##*/}}" "$@"\n'


class Shims:
    """The folders of such scripts, which a worker makes below *root*, one for each set of names."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._made: dict[frozenset[str], str] = {}

    def folder(self, names: Iterable[str]) -> str:
        """Return a folder with a script for each of *names*; nothing where there are none."""
        wanted = frozenset(names)
        if wanted and wanted not in self._made:
            folder = Path(tempfile.mkdtemp(prefix=".shims.", dir=self._root))  # no case has a dot
            folder.chmod(0o755)
            first, *others = sorted(wanted)
            (folder / first).write_text(_SCRIPT)
            (folder / first).chmod(0o755)
            for name in others:
                (folder / name).hardlink_to(folder / first)
            self._made[wanted] = str(folder)
        return self._made.get(wanted, "")
