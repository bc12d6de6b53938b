# SPDX-License-Identifier: GPL-2.0-or-later
"""A command before the programs under test: strace, valgrind, gdbserver, or any other.

In a case's environment a script takes the place of each program, with the program's own name,
since programs print it; so cases in any language run wrapped, and know nothing of it. The
script replaces itself: the process that a case started is the command's.
"""

import os
import re
import shlex
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from goldlock import safe_open
from goldlock.errors import UsageError, suggest
from goldlock.runner.stress import LATER
from goldlock.settings import Settings
from goldlock.stand_ins import stand_for

LOGS = "wrap"
"""The folder of a case's directory with the logs of commands: ``PROGRAM.1``, ``PROGRAM.2``, ..."""

LOG_LINES = 40
"""Lines of one log of valgrind that a failure shows."""

_SCRIPTS = "wrapped"
_LOG = re.compile(r"(?<!\w)LOG(?!\w)")
_ALL = ""

_VALGRIND = ("valgrind", "--log-file=LOG", "--error-exitcode=99")
_GDB_OPTIONS = "localhost:12345"

_NEXT_LOG = """\
set -C  # the first name that is not taken: a log of its own for each start
n=1
until {{ command : >{log}.$n; }} 2>/dev/null; do
    [ -e {log}.$n ] || {{ echo "{name}: cannot write {log}.$n" >&2; exit 126; }}
    n=$((n + 1))
done
log={log}.$n
"""

# --once: it lets go of the port once gdb is there, for a program that is started beside it.
_WAIT_FOR_GDB = """\
echo {hint} 2>/dev/null >>{terminal}
exec {gdbserver} --once --wrapper {own_stderr} -- {options} {program} "$@" 9>&2 2>>{terminal}
"""

_OWN_STDERR = """\
# What gdbserver says goes to the terminal, what the program says to the case.
exec "$@" 2>&9 9>&-
"""


@dataclass(frozen=True, slots=True)
class Wrappers:
    """What stands before which program, for a whole run.

    *commands* are words by the names of programs, ``""`` for all others. *gdb* are the options
    of a gdbserver before the program *debugged*, if there is to be one. *terminal* is a file that
    is the terminal of the person who waits, also while pytest has its standard files.
    """

    commands: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    gdb: tuple[str, ...] = ()
    debugged: str = ""
    valgrind: bool = False
    terminal: str = os.devnull

    @classmethod
    def of(cls, settings: Settings, environ: Mapping[str, str]) -> "Wrappers | None":
        """Return what *settings* want before their programs; None for nothing.

        Raises UsageError when two want the same program, or a command is not there.
        """
        commands: dict[str, tuple[str, ...]] = {}
        for given in settings.wrap:
            program, words = _parse(given, settings.programs)
            if program in commands:
                raise UsageError(f"--wrap: two commands for {program or 'all programs'}")
            commands[program] = (_found(words[0], "--wrap", environ), *words[1:])
        gdb: tuple[str, ...] = ()
        if settings.gdb:
            _check_gdb(commands, settings)
            words = _split("GDB_OPTIONS", environ.get("GDB_OPTIONS", "")) or [_GDB_OPTIONS]
            gdb = (_found("gdbserver", "--gdb", environ), *words)
        if settings.valgrind:
            if _ALL in commands:
                raise UsageError("--valgrind and a --wrap for all programs: give one of them")
            commands[_ALL] = (_found(_VALGRIND[0], "--valgrind", environ), *_VALGRIND[1:])
        if settings.stress:
            if _ALL in commands:
                raise UsageError("--stress stands before all programs: give no other that does")
            commands[_ALL] = LATER
        if not (commands or gdb):
            return None
        shown = terminal() if gdb else os.devnull
        return cls(commands, gdb, settings.debugged, settings.valgrind, shown)

    def names(self, paths: Mapping[str, str]) -> list[str]:
        """Return which of the programs something stands before."""
        return [n for n in paths if n in self.commands or _ALL in self.commands or self._gdb(n)]

    def install(
        self,
        paths: Mapping[str, str],
        commands: Mapping[str, str],
        directory: Path,
        number: str,
    ) -> dict[str, str]:
        """Write the scripts for case *number* to its *directory*, a plain path.

        Returns *paths*, with a script for each program that something stands before. A path that
        is itself but a script for another command has that among *commands*.
        """
        taken = dict(paths)
        (directory / LOGS).mkdir()
        for name in self.names(paths):
            program = shlex.split(commands.get(name, "")) or [paths[name]]
            script = directory / _SCRIPTS / name / Path(paths[name]).name
            script.parent.mkdir(parents=True)
            if self._gdb(name):
                text = self._gdb_script(name, program, number, script.parent / "own-stderr")
            else:
                text = self._script(name, program, directory / LOGS / script.name)
            _write(script, text)
            if script.name != name:  # the folder may come to be on PATH
                script.with_name(name).symlink_to(script.name)
            taken[name] = str(script)
        return taken

    def problems(self, directory: Path) -> list[str]:
        """Return what valgrind found in the programs of the case that had *directory*."""
        if not self.valgrind:
            return []
        return [said for log in self.logs(directory) if (said := _errors(log))]

    @staticmethod
    def logs(directory: Path) -> list[Path]:
        """Return the logs of a case's commands, those of one program in the order of its starts."""
        found = [path for path in (directory / LOGS).glob("*.*") if path.suffix[1:].isdigit()]
        return sorted(found, key=lambda path: (path.stem, int(path.suffix[1:])))

    def _gdb(self, name: str) -> bool:
        return bool(self.gdb) and name == self.debugged

    def _script(self, name: str, program: Sequence[str], log: Path) -> str:
        words = self.commands.get(name) or self.commands[_ALL]
        wants_log = any(_LOG.search(word) for word in words)
        before = _NEXT_LOG.format(log=log, name=log.name) if wants_log else ""
        shown = " ".join('"$log"'.join(map(_quote, _LOG.split(word))) for word in words)
        lines, started = stand_for(program, name)
        return f'{lines}{before}exec {shown} {started} "$@"\n'

    def _gdb_script(self, name: str, program: Sequence[str], number: str, own_stderr: Path) -> str:
        _write(own_stderr, _OWN_STDERR)  # gdbserver cannot take a command with quotes
        lines, started = stand_for(program, name)
        hint = f"gdb {shlex.quote(program[0])} -ex 'target remote {self.gdb[-1]}'"
        return lines + _WAIT_FOR_GDB.format(
            hint=shlex.quote(f"\ngoldlock: case {number} waits for {hint}"),
            own_stderr=own_stderr,
            gdbserver=shlex.quote(self.gdb[0]),
            options=shlex.join(self.gdb[1:]),
            program=started,
            terminal=self.terminal,
        )


def _check_gdb(commands: Mapping[str, Sequence[str]], settings: Settings) -> None:
    """Raise UsageError when something else is to stand before the same program, too."""
    program = settings.debugged
    if program in commands:
        raise UsageError(f"--gdb and --wrap {program}=...: give one of them")
    if settings.valgrind or _ALL in commands:
        other = "--valgrind" if settings.valgrind else "a --wrap for all programs"
        raise UsageError(f"--gdb and {other}: {program} can have one; give one of them")


def _write(script: Path, text: str) -> None:
    script.write_text(f"#!/bin/sh\n{text}")
    script.chmod(0o755)


def terminal() -> str:
    """Return a path for what standard error is now; `/dev/null` where it can have none.

    It stays when pytest puts another file in its place, as it does while tests run.
    """
    path = f"/proc/{os.getpid()}/fd/{os.dup(2)}"
    try:
        with Path(path).open("ab"):
            return path
    except OSError:  # a socket
        return os.devnull


def _parse(given: str, programs: Sequence[str]) -> tuple[str, list[str]]:
    """Split what ``--wrap`` was given: a program's name, or none, and the words."""
    program, equals, command = given.partition("=")
    if not equals or not re.fullmatch(r"[\w.+-]+", program):
        program, command = _ALL, given
    elif program not in programs:
        raise UsageError(f"--wrap: unknown program {program!r}{suggest(program, programs)}")
    words = _split(f"--wrap {given!r}", command)
    if not words:
        raise UsageError(f"--wrap {given!r}: no command; as in --wrap 'strace -f -o LOG'")
    return program, words


def _split(what: str, text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError as error:
        raise UsageError(f"{what}: {str(error).lower()}; write it as for a shell") from None


def _found(command: str, option: str, environ: Mapping[str, str]) -> str:
    path = shutil.which(command, path=environ.get("PATH", os.defpath))
    if not path:
        raise UsageError(f"{option}: no {command} on PATH; install it first")
    return str(Path(path).absolute())


def _quote(text: str) -> str:
    return shlex.quote(text) if text else ""


def _errors(log: Path) -> str:
    """Return what to show of a log of valgrind; nothing where it found no error.

    A program that was killed has no summary; what has a stack is an error.
    """
    lines = safe_open.text(log).splitlines()
    summary = [line for line in lines if "ERROR SUMMARY: " in line]
    clean = all("ERROR SUMMARY: 0 errors" in line for line in summary)
    if clean and (summary or not any(re.search(r"==\s+at 0x", line) for line in lines)):
        return ""
    return f"valgrind found errors, see {log}:\n" + "\n".join(_shortened(lines))


def _shortened(lines: Sequence[str]) -> list[str]:
    shown = [f"    {line}" for line in lines[:LOG_LINES]]
    rest = len(lines) - LOG_LINES
    return [*shown, f"    ... and {rest} more lines"] if rest > 0 else shown
