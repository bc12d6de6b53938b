# SPDX-License-Identifier: GPL-2.0-or-later
"""The layout of a tree of QEMU's tests, and the habits of its ``check``.

A test is a file whose name is three digits, or one in ``tests/``, with a golden beside it. What it
may not run for it writes to ``TEST_DIR/NAME.notrun``, what of it was left out to
``TEST_DIR/NAME.casenotrun``; before QEMU 7.0, to ``OUTPUT_DIR``, which is the same directory here.
"""

import os
import re
from argparse import Namespace
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import ClassVar

from goldlock import safe_open
from goldlock.dialects.dialect import Asked, Dialect, Verdict
from goldlock.errors import check_known
from goldlock.goldens.compare import Reading
from goldlock.kits.qemu_iotests import debuggers, tree
from goldlock.kits.qemu_iotests.kit import SKIP
from goldlock.settings import Settings
from goldlock.suite.cases import Case, Suite
from goldlock.suite.programs import Programs

_PYTHON = "#!/usr/bin/env python3"
"""The first line of the tests that are started with the interpreter of the run."""

_NOT_PASSED_ON = ("PYTHONDONTWRITEBYTECODE", "GDB_OPTIONS")
"""Variables of the caller that tests do not see: the latter is for ``--gdb``, as with ``check``."""

_IMPORT = re.compile(r"^(?:import|from) ([\w.]+)", re.MULTILINE)

_HEADS = ("==", "---", "FAIL: ", "ERROR: ")
_HEADING = re.compile(r"(={2,5}|-{3}) +([^ =-].*?)(?: +\1)?")
_METHOD = re.compile(r"(?:FAIL|ERROR): \w+ \(.+\)")
_LEFT_OUT = re.compile(r"\s*\[case not run\]\s*")


def _first_line(path: Path) -> str:
    with path.open("rb") as file:
        return file.readline(200).decode("utf-8", "replace").rstrip()


@cache
def _imports(path: Path) -> tuple[str, ...]:
    """Return what the module of most tests for Python imports."""
    return tuple(_IMPORT.findall(path.read_text())) if path.exists() else ()


def _lines(text: str) -> list[str]:
    """Return the lines of a text as Python reads a file, and ``check`` with it."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    if not lines[-1]:  # what comes after the last line end is a line, be it a blank
        lines.pop()
    return [line.rstrip() for line in lines]


def _heading(line: str) -> str:
    """Return the words of a heading: of a shell test, or of a failure that unittest prints."""
    if not line.startswith(_HEADS):  # most lines
        return ""
    found = _HEADING.fullmatch(line)
    if found:
        return found[2]
    return line if _METHOD.fullmatch(line) else ""


class IotestsDialect(Dialect):
    """The dialect of QEMU's tests."""

    leftovers_fail: ClassVar = False
    retries: ClassVar = 1
    is_ours: ClassVar = False
    # Tests wait a quarter of their time; with more, they come near limits of 10 s of their own.
    jobs_per_cpu: ClassVar = 1.5
    # As with check. To Linux, a session is a group of tasks (autogroups, sched(7)), and threads
    # that take turns are dear in one of its own: in 159, they took 7.6 s of a processor for 5.0.
    one_session: ClassVar = True
    variables = ("PWD", "TMPDIR", "OUTPUT_DIR")
    reading = Reading(_lines, _heading, newline="")

    def read(self, folder: Path) -> Suite:
        where = tree.found(folder)
        told = tree.tests(where, where.build)["groups"]
        cases = [
            Case(
                name.rpartition("/")[2],
                where.tests / name,
                groups=tuple(sorted(told[name])),
                kit="qemu_iotests",
                suite=where.tests,
            )
            for name in sorted(told)
        ]
        return Suite(folder, tuple(cases), "qemu_iotests")

    def select(self, suite: Suite, asked: Asked) -> list[Case]:
        where = tree.found(suite.root)
        known = sorted({group for case in suite.cases for group in case.groups})
        for group in (*asked.groups, *asked.exclude):
            if group != "disabled":  # check leaves it out, also where there is none
                check_known("group", group, known)
        told = tree.tests(
            where,
            where.build,
            groups=asked.groups or None,
            exclude_groups=asked.exclude or None,
            tests=asked.names or None,
            start_from=asked.start_from,
        )
        wanted = {*told["tests"]}
        return [case for case in suite.cases if str(case.path.relative_to(where.tests)) in wanted]

    def listed(self, suite: Suite, cases: Sequence[Case], options: Namespace) -> Sequence[Case]:
        where = tree.found(suite.root)
        names = tree.listed(where, where.build, options.imgfmt, [case.name for case in cases])
        return [case for case in cases if case.name in names]

    def collected(self, suite: Suite) -> Path:
        return tree.found(suite.root).tests

    def goldens(self, case: Case, programs: Programs, settings: Settings) -> Sequence[Path]:
        """Return the golden that ``check`` takes: the most special one that is there."""
        told, name = programs.variables.get, case.path.name
        names = [f"{name}.out.nocache"] if told("CACHEMODE") == "none" else []
        names += [f"{name}.out.{told('IMGFMT')}", f"{name}.{told('QEMU_DEFAULT_MACHINE')}.out"]
        paths = [case.path.with_name(each) for each in (*names, f"{name}.out")]
        return [next((path for path in paths if path.is_file()), paths[-1])]

    def why_not(self, case: Case, goldens: Sequence[Path], settings: Settings) -> str:
        if not goldens[0].exists():
            return f"No qualified output (expected {goldens[0]})"
        skipped = settings.of_kits["qemu_iotests"]["skip"].split()
        return f"Listed in {SKIP}" if case.name in skipped else ""

    def command(self, case: Case, settings: Settings) -> list[str]:
        of_python = _first_line(case.path) == _PYTHON
        python = [settings.of_kits["qemu_iotests"]["python"]] if of_python else []
        return [*python, str(case.path), *(["-d"] if settings.show_commands else [])]

    def imports(self, case: Case) -> Sequence[str]:
        return _imports(case.root / "iotests.py") if _first_line(case.path) == _PYTHON else ()

    def directory(self, case: Case, scratch: Path) -> Path:
        return case.path.parent

    def name_in_tap(self, name: str, settings: Settings) -> str:
        return f"{settings.of_kits['qemu_iotests']['imgfmt']} {name}"

    def surroundings(self, environ: Mapping[str, str], scratch: Path) -> dict[str, str]:
        """Return all of the caller's, as ``check`` does; caches are not in the tree."""
        path = {"PATH": debuggers.first_on(environ.get("PATH", os.defpath), scratch)}
        passed_on = {name: text for name, text in environ.items() if name not in _NOT_PASSED_ON}
        mypy = {"MYPY_CACHE_DIR": str(scratch / "mypy")}
        return {**passed_on, **path, **mypy, **tree.bytecode(environ)}

    def verdict(self, case: Case, status: int | None, output: Path, scratch: Path) -> Verdict:
        if status:  # comes first, whatever the test has to say
            return Verdict()
        if (scratch / f"{case.name}.notrun").exists():
            said = safe_open.text(scratch / f"{case.name}.notrun").strip()
            return Verdict(said or "it does not say why")
        said = safe_open.text(scratch / f"{case.name}.casenotrun")
        return Verdict(skipped=[_LEFT_OUT.sub("", each).strip() for each in said.splitlines()])


DIALECT = IotestsDialect()
