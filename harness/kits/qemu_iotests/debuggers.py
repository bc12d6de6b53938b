# SPDX-License-Identifier: GPL-2.0-or-later
"""Tests under valgrind and gdb: told of it, so that they wait as long as it takes, as with check.

Told, they start valgrind or gdbserver themselves, with logs that few of them read. A script in
place of either starts what stands behind it, which is goldlock's own wrapper.
"""

from pathlib import Path

_FOLDER = "debuggers"
_NAMES = ("gdbserver", "valgrind")

# iotests.py removes the log of valgrind, and common.rc shows it, so it has to be there.
_SCRIPT = """\
#!/bin/sh
while [ $# -gt 0 ]; do
    [ -f "$1" ] && [ -x "$1" ] && exec "$@"
    case $1 in
        --log-file=*%p*) log=${1#*=}; : >"${log%%%p*}$$${log##*%p}" ;;
        --log-file=*) : >"${1#*=}" ;;
    esac
    shift
done
exit 127
"""


def stand_in(scratch: Path) -> None:
    """Make the scripts, in a folder of a run's scratch directory."""
    (scratch / _FOLDER).mkdir()
    for name in _NAMES:
        script = scratch / _FOLDER / name
        script.write_text(_SCRIPT)
        script.chmod(0o755)


def first_on(path: str, scratch: Path) -> str:
    """Return a PATH on which the scripts come first, where they were made."""
    folder = scratch / _FOLDER
    return f"{folder}:{path}" if folder.is_dir() else path
