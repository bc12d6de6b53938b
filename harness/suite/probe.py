# SPDX-License-Identifier: GPL-2.0-or-later
"""The programs that a suite declares: looked for, and asked, once a case needs them."""

import os
import re
import shlex
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from glob import glob
from pathlib import Path

from goldlock.errors import UsageError
from goldlock.lockcalls.file_words import LOCKS_VARIABLE, pack
from goldlock.stand_ins import stand_for
from goldlock.suite.declared import DeclaredProgram, SuiteFile
from goldlock.suite.programs import Programs
from goldlock.suite.question import Question


@dataclass(frozen=True, slots=True)
class _Found:
    """A program that was looked for: its *path*, or *missing* says why there is none.

    *command* is what the path stands for, *script* one of the program's name that starts it.
    """

    path: str = ""
    missing: str = ""
    command: str = ""
    script: Path | None = None


class DeclaredProbe:
    """Looks for the programs of a suite, and asks those that are needed, and the traits.

    *folder* is one that it may make, for scripts that cases start the programs by.
    """

    def __init__(self, file: SuiteFile, environ: Mapping[str, str], folder: Path) -> None:
        self._file = file
        self._environ = environ
        self._folder = folder
        self._found: dict[str, _Found] = {}
        self._versions: dict[str, Question] = {}
        self._traits: dict[str, Question] | None = None
        self._known: Programs | None = None
        self._error: UsageError | None = None
        self._stopped = False

    def need(self, names: Iterable[str]) -> None:
        """Begin to ask the programs of these *names*, and the traits, unless that was done."""
        new = [name for name in self._file.programs if name in {*names} - self._found.keys()]
        try:
            for name in new:
                self._found[name] = self._look_for(self._file.programs[name])
            for name in new:
                self._versions[name] = self._ask(self._subject(name), *self._question(name))
            if self._traits is None:
                self._traits = {}
                for trait, (command, where) in self._file.declared_traits.items():
                    subject = f"{where}: trait {trait}"
                    self._traits[trait] = self._ask(subject, "/bin/sh", "-c", command)
        except UsageError as error:  # for whoever asks for the programs
            self._error = error
        if self._stopped:  # meanwhile
            self.stop()
        if new:
            self._known = None

    def stop(self) -> None:
        """End what has not answered; from any thread, also a signal handler."""
        self._stopped = True
        for question in (*[*self._versions.values()], *[*(self._traits or {}).values()]):
            question.stop()

    def programs(self) -> Programs:
        """Return what was learnt of what is needed; the same object until something else is.

        Raises UsageError for a program that is named and not there, or does not answer, and
        KeyboardInterrupt after `stop`.
        """
        if self._error:
            raise self._error
        if not self._known:
            self._known = self._learn()
        return self._known

    def _learn(self) -> Programs:
        known = [*self._found.items()]
        versions = {name: self._version(name) for name, _ in known}
        traits = [t for t, asked in (self._traits or {}).items() if not asked.status()]
        if self._stopped:
            raise KeyboardInterrupt
        paths = {name: found.path for name, found in known if found.path}
        missing = {name: found.missing for name, found in known if found.missing}
        told = {name: found.missing or _told(found, versions[name]) for name, found in known}
        facts = {"versions": versions, "missing": missing, "traits": traits}
        return Programs(
            paths,
            missing,
            traits=tuple(traits),
            variables=self._variables(),
            named_by={name: program.variable for name, program in self._file.programs.items()},
            commands={name: found.command for name, found in known if found.path},
            on_path=frozenset(paths),
            folders={name: str(found.script.parent) for name, found in known if found.script},
            heading=(
                *(f"program {name}: {text}" for name, text in told.items()),
                *([f"traits: {', '.join(traits)}"] if traits else []),
            ),
            facts=facts if self._file.programs or self._traits else {},
            rows=tuple(
                (f"{name}, version", versions[name] or missing[name])
                for name in versions
                if versions[name] or name in missing
            ),
        )

    def _variables(self) -> dict[str, str]:
        """Return what each case is told, whatever it needs."""
        passed_on = [name for name in self._file.environment if name in self._environ]
        return {
            **{name: self._environ[name] for name in passed_on},
            **({LOCKS_VARIABLE: pack(self._file.locks)} if self._file.locks else {}),
        }

    def _look_for(self, program: DeclaredProgram) -> _Found:
        """Find a program; raise UsageError where the one that a variable names is not there."""
        named = self._environ.get(program.variable, "")
        words = (named,) if named else program.command
        command = _place(words[0], Path.cwd() if named else self._file.root)
        command = command if named else _newest(command)
        found = shutil.which(command, path=self._environ.get("PATH", os.defpath))
        if not found and named:
            other = f"name another program, or unset {program.variable}"
            raise UsageError(f"{program.variable}: {_why_not(command)}; {other}")
        if not found:
            return _Found(missing=f"{_why_not(command)}; {program.variable} can name one")
        path = str(Path(found).absolute())
        command = shlex.join([path, *words[1:]])
        script = None
        if len(words) > 1 or program.name != words[0]:
            script = self._script(program.name, [path, *words[1:]])
            path = str(script) if len(words) > 1 else path
        return _Found(path, "", command, script)

    def _question(self, name: str) -> tuple[str, ...]:
        """Return the command line that tells a program's version; none where it is not asked."""
        version, path = self._file.programs[name].version, self._found[name].path
        if not version or not path:
            return ()
        return ("/bin/sh", "-c", version) if isinstance(version, str) else (path, *version)

    def _script(self, name: str, command: Sequence[str]) -> Path:
        """Write a script that stands for a command by a program's name, in a folder of its own."""
        script = self._folder / name / name
        script.parent.mkdir(parents=True)
        lines, words = stand_for(command, name)
        script.write_text(f'#!/bin/sh\n{lines}exec {words} "$@"\n')
        script.chmod(0o755)
        return script

    def _ask(self, subject: str, *argv: str) -> Question:
        folders = [str(found.script.parent) for found in self._found.values() if found.script]
        path = ":".join([*folders, self._environ.get("PATH", os.defpath)])
        named = {self._file.programs[name].variable: f.path for name, f in self._found.items()}
        return Question({**self._environ, **named, "PATH": path}, argv, self._file.root, subject)

    def _version(self, name: str) -> str:
        """Return the first line that tells a program's version; nothing where none was asked."""
        if not self._question(name):
            return ""
        question = self._versions[name]
        lines = [line.strip() for line in question.answer().split("\n") if line.strip()]
        if question.status() and not self._stopped:
            said = f": {lines[0]}" if lines else ""
            raise UsageError(f"{self._subject(name)}: exit status {question.status()}{said}")
        return lines[0] if lines else "not known"

    def _subject(self, name: str) -> str:
        """Return what a complaint about a program's version is about."""
        return f"{self._file.programs[name].where}: version of {name}"


def _told(found: _Found, version: str) -> str:
    return f"{version} ({found.command})" if version else found.command


def _place(command: str, folder: Path) -> str:
    """Return a command that has a slash as seen from *folder*, by the name that it has there."""
    place = folder / command
    return str(place.parent.resolve() / place.name) if "/" in command else command


def _newest(command: str) -> str:
    """Return, for a pattern such as ``/opt/*/bin/x``, the file with the largest numbers in it."""
    numbers = re.compile(r"[0-9]+")
    found = glob(command) if "*" in command else []  # noqa: PTH207 - Path takes no absolute one
    return max(found, key=lambda file: [int(n) for n in numbers.findall(file)], default=command)


def _why_not(command: str) -> str:
    if "/" not in command:
        return f"no {command} on PATH"
    return f"{command} {'is not executable' if Path(command).exists() else 'is not there'}"
