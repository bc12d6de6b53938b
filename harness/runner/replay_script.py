# SPDX-License-Identifier: GPL-2.0-or-later
"""Write a shell script that repeats the command lines of a case, from the steps that it took."""

import base64
import json
import os
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from goldlock import safe_open
from goldlock.errors import UsageError
from goldlock.runner.process import command_line
from goldlock.runner.scratch import Directories
from goldlock.settings import Settings
from goldlock.suite.cases import Case
from goldlock.suite.programs import VARIABLES, Programs

STEPS = "steps"
"""The file of a case's directory with its steps."""

HELD_AT_MOST = 7
"""Programs that a script can hold at a time: sh has names for no more open files."""

_MARK = "# written by goldlock --commands"
_HOW = """\
# It works in a new directory, which is removed at the end unless KEEP is set; a program that stays
# has a number, and what it says stands after that. Programs wait for each other, never for a time.\
"""
_OTHERWISE = {
    *("TEST_DIR", "SOCK_DIR", "HOME", "TMPDIR"),
    *("GOLDLOCK_LOG", "GOLDLOCK_COMMANDS", "GOLDLOCK_STEPS", "GOLDLOCK_PRINT", "GOLDLOCK_WRAPPED"),
}
"""Variables of a case that a script has otherwise, or not at all."""

_PLAIN = {
    *("PATH", "LC_ALL", "TZ", "LD_LIBRARY_PATH", "QEMU_MODULE_DIR", "ASAN_OPTIONS"),
    *("UBSAN_OPTIONS", "GOLDLOCK_ERRNO_POLICY"),
}
"""The variables that matter to programs; the others are for cases."""

_PRELUDE = Path(__file__).with_suffix(".sh")


class Ground(NamedTuple):
    """What a script finds in another place, or by another name, than the case did.

    *directories* are names of variables by the paths that they stand for, *programs* are real
    paths by those of scripts in their place. What is in *gone* is not there after a run.
    """

    directories: Mapping[str, str]
    programs: Mapping[str, str]
    gone: str


def write(
    settings: Settings,
    case: Case,
    programs: Programs,
    directories: Directories,
    environ: Mapping[str, str],
) -> list[str]:
    """Write the script of a case that ran in *directories*, with *environ*.

    Returns problems: that it cannot be written, or another file has its name.
    """
    ground = Ground(
        {
            str(directories.top): "TOP",
            str(directories.test.parent): "TOP",
            str(directories.test): "TEST_DIR",
            str(directories.sockets): "SOCK_DIR",
            str(directories.home): "HOME",
        },
        {environ[VARIABLES[name]]: path for name, path in programs.paths.items()},
        str(directories.top.parent),
    )
    title = (
        f"The commands of case {case.number}, with image format {settings.imgfmt} and protocol"
        f" {settings.imgproto}."
    )
    if "faults" in case.needs:
        title += "\n# The case makes lock calls fail; this script does not."
    text = Script(ground, environ).text(title, directories.top / STEPS, case)
    path = Path(settings.commands) / f"{case.number}.sh"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and _MARK not in path.read_text("utf-8", "replace")[:200]:
            return [f"{path}: not a script of --commands, and is as it was; name another directory"]
        half = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            half.write_text(text, "utf-8", "surrogateescape")
            half.chmod(0o755)
            half.replace(path)
        finally:
            half.unlink(missing_ok=True)
    except OSError as error:
        return [f"--commands: {path}: {error.strerror}"]
    return []


def check_folder(given: str) -> None:
    """See that scripts can be written to a folder, which is made; raise UsageError otherwise."""
    probe = Path(given) / f".goldlock.{os.getpid()}"
    try:
        probe.parent.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise UsageError(f"--commands {given}: cannot be written: {error.strerror}") from None


class Script:
    """The script of one case."""

    def __init__(self, ground: Ground, environ: Mapping[str, str]) -> None:
        self._ground = ground
        self._environ = environ
        by_length = sorted(ground.directories, key=len, reverse=True)
        names = "|".join(map(re.escape, by_length))
        self._directory = re.compile(rf"({names})(?![\w-]|\.\w)")
        self._slots: dict[int, int] = {}
        self._copied: dict[str, str] = {}

    def text(self, title: str, steps: Path, case: Case) -> str:
        """Return the script of *case*; where it took no steps, the script starts it as it is."""
        taken = safe_open.text(steps).splitlines()
        body = list(self._lines([json.loads(line) for line in taken])) or self._start(case)
        wanted = [n for n in self._environ if n not in _OTHERWISE and (not taken or n in _PLAIN)]
        variables = [f"export {name}={self._value(self._environ[name])}" for name in wanted]
        head = f"#!/bin/sh\n{_MARK}\n# {title}\n{_HOW}\n"
        return (
            head
            + _PRELUDE.read_text()
            + "\n".join(["", *self._copies(), *variables, "", *body, ""])
        )

    def word(self, text: str) -> str:
        """Quote a word for the shell, with variables for directories."""
        parts = self._directory.split(text)
        if len(parts) == 1 and "'" not in text:
            return shlex.quote(text)
        quoted = [
            f"${{{self._ground.directories[part]}}}"
            if index % 2
            else re.sub(r'([\\"$`])', r"\\\1", part)
            for index, part in enumerate(parts)
        ]
        return f'"{"".join(quoted)}"'

    def _command(self, argv: list[str]) -> str:
        return " ".join([self._value(argv[0]), *map(self.word, argv[1:])])

    def _value(self, text: str) -> str:
        """Quote a word that may be the path of a program."""
        program = self._ground.programs.get(text, text)
        if text in self._ground.programs and program.startswith(f"{self._ground.gone}/"):
            name = Path(program).name
            self._copied.setdefault(name, Path(program).read_text())
            return f'"$TOP/programs/{name}"'
        return self.word(program)

    def _copies(self) -> Iterator[str]:
        """Make again the programs that are gone after a run."""
        if self._copied:
            yield 'mkdir "$TOP/programs"'
        for name, text in self._copied.items():
            yield from self._file(f'"$TOP/programs/{name}"', text.encode())
            yield f'chmod +x "$TOP/programs/{name}"'

    def _start(self, case: Case) -> list[str]:
        argv = " ".join(map(self.word, command_line(case.path)))
        return ["# The case tells no steps: it is a script that can be read itself.", f"run {argv}"]

    def _lines(self, steps: Sequence[dict[str, Any]]) -> Iterator[str]:
        """Yield a line for each step; a command and its answer are one."""
        for index, step in enumerate(steps):
            match step["step"]:
                case "section":
                    yield f"\nsection {self.word(step['heading'])}"
                case "run":
                    yield f"run {self._command(step['argv'])}{_input(step['stdin'])}"
                case "change":
                    yield f"run {' '.join(map(self.word, step['argv']))}"
                case "file":
                    yield from self._written(step["path"], step["content"])
                case _:
                    yield from self._held(step, steps[index + 1 :])

    def _held(self, step: Mapping[str, Any], later: Sequence[dict[str, Any]]) -> Iterator[str]:
        """Yield the line for a step of a program that stays, which has a number meanwhile."""
        kind, pid = step["step"], step["pid"]
        if kind == "hold":
            free = set(range(1, HELD_AT_MOST + 1)) - {*self._slots.values()}
            if not free:
                yield "echo 'More programs at a time than sh has names for: the end.'; exit 1"
                return
            self._slots[pid] = min(free)
            yield f"hold {min(free)} {step['monitor']} {self._command(step['argv'])}"
        elif pid not in self._slots:
            return  # it has ended
        elif kind == "send":
            others = (other for other in later if other.get("pid") == pid)
            verb = "ask" if next(others, {}).get("step") == "answer" else "send"
            yield f"{verb} {self._slots[pid]} {self.word(step['text'])}"
        elif kind == "event":
            yield f"event {self._slots[pid]} {step['name']}"
        elif kind in {"kill", "wait"}:
            yield f"{'end' if kind == 'kill' else 'finish'} {self._slots.pop(pid)}"

    def _written(self, path: str, content: str | None) -> Iterator[str]:
        if content is None:
            yield f"# The case wrote {shlex.quote(path)}, which is too large to be repeated."
        else:
            yield from self._file(self.word(path), content.encode("latin-1"))

    @staticmethod
    def _file(target: str, content: bytes) -> Iterator[str]:
        """Yield lines that write a file: as it is where it is text, else in base64."""
        text = content.decode("utf-8", "replace")
        plain = text.encode() == content and text.endswith("\n") and "\0" not in text
        if plain and "\nEND\n" not in f"\n{text}":
            yield f"cat >{target} <<'END'\n{text}END"
        else:
            yield f"base64 -d >{target} <<'END'\n{base64.encodebytes(content).decode()}END"


def _input(text: str) -> str:
    """Return what makes *text* the input of a command; nothing for none."""
    return f" <<'END'\n{text.removesuffix(chr(10))}\nEND" if text else ""
