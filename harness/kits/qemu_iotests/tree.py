# SPDX-License-Identifier: GPL-2.0-or-later
"""Where a tree of QEMU's tests is, and what it is asked, in processes of its own Python code."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Collection, Mapping, Sequence
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from goldlock import may_be_cut
from goldlock.errors import UsageError
from goldlock.suite.project import bytecode_folder

ANSWER_LIMIT = 120.0
"""Seconds that a tree has to answer; it takes well below one."""

_TOO_OLD = ("6.0.0", "6.0.1")
"""Versions that have a ``findtests.py``, and are too old all the same."""

_FIND = """\
import json, os, sys
folder, asked = sys.argv[1], json.loads(sys.argv[2])
sys.path.insert(0, folder)
from findtests import TestFinder
finder = TestFinder(folder)
groups = os.path.join(folder, "group.local")
try:
    if os.path.isfile(groups):
        finder.add_group_file(groups)
    tests, error = finder.find_tests(**asked), ""
except ValueError as said:
    tests, error = [], str(said)
of = {test: [] for test in finder.all_tests}
for group, members in finder.groups.items():
    for test in members:
        of[test].append(group)
print(json.dumps({"groups": of, "tests": tests, "error": error}))
"""
"""Asks the modules of a tree, whose folder comes first, for its tests and those that are asked for.

What is wanted of `find_tests` is JSON, as is the answer."""


class Tree(NamedTuple):
    """A tree: the folder with its tests, that of its ``check``, and its version.

    *build* is QEMU's build directory where *check* is the one there, else empty.
    """

    tests: Path
    check: Path
    build: str
    version: str


def find(folder: Path) -> Tree | None:
    """Return the tree that a folder is; it may be the one in a build directory. None for none."""
    check = folder / "check"
    if not os.path.isfile(check):  # noqa: PTH113 - for each folder that is a suite
        return None
    tests = Path(os.path.realpath(check)).parent
    if not (tests / "common.rc").is_file():
        return None
    built = os.path.realpath(folder) != str(tests)
    version = tests.parent.parent / "VERSION"
    said = version.read_text("utf-8", "replace").strip() if version.is_file() else ""
    return Tree(tests, check, str(folder.absolute().parent.parent) if built else "", said)


def found(folder: Path) -> Tree:
    """Return the tree that a folder is; raise UsageError where it is none."""
    tree = find(folder)
    if not tree:
        raise UsageError(f"{folder}: no check and common.rc of QEMU's tests here")
    return tree


def python(build: str) -> str:
    """Return the interpreter for tests: that of QEMU's build directory, or python3 on PATH."""
    own = Path(build or "/", "pyvenv/bin/python3")
    return str(own) if build and own.exists() else _interpreter(shutil.which("python3"))


@cache
def _interpreter(found: str | None) -> str:
    """Return what a python3 starts: that of pyenv is a script, which takes as long as a test."""
    if not found or not os.access(found, os.R_OK):
        return found or sys.executable
    with Path(found).open("rb") as file:
        if file.read(2) != b"#!":
            return found
    command = [found, "-c", "import sys; print(sys.executable)"]
    return os.fsdecode(_answer(command, os.environ, Path(), found)).strip()


def bytecode(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that keep Python's bytecode out of a tree, and from run to run."""
    folder = bytecode_folder(environ)
    places = map(str, (folder, *folder.parents))
    is_cut = may_be_cut(next(filter(os.path.exists, places)))  # pathlib may raise for some
    none = {"PYTHONDONTWRITEBYTECODE": "1"} if is_cut else {}
    return {"PYTHONPYCACHEPREFIX": str(folder), **none}


def tests(tree: Tree, build: str, **asked: Sequence[str] | str | None) -> dict[str, Any]:
    """Return the ``groups`` of each test of a tree, and the ``tests`` that are asked for.

    *asked* is as its `find_tests` takes it. Raises UsageError for what there is not.
    """
    # Before that, check starts no command, which tells the environment of a test.
    if not (tree.tests / "findtests.py").is_file() or tree.version.startswith(_TOO_OLD):
        raise UsageError(f"{tree.tests}: too old; it takes the tests of QEMU 6.1 or later")
    words = [python(build), "-c", _FIND, str(tree.tests), json.dumps(asked)]
    environ = {**os.environ, **bytecode(os.environ)}
    told: dict[str, Any] = json.loads(_answer(words, environ, tree.tests, "findtests.py"))
    if error := told["error"]:
        raise UsageError(f"{tree.tests}: {error}; -n lists them")
    return told


def listed(tree: Tree, build: str, imgfmt: str | None, names: Sequence[str]) -> Collection[str]:
    """Return which tests ``check -n`` lists for a format: as of QEMU 10.2, not those of others."""
    if not imgfmt or "supported_fmt" not in tree.check.read_text("utf-8", "replace"):
        return names
    with TemporaryDirectory() as scratch:
        own = {"TEST_DIR": scratch, "SOCK_DIR": scratch, **bytecode(os.environ)}
        command = [python(build), str(tree.check), "-n", f"-{imgfmt}", *names]
        said = _answer(command, {**os.environ, **own}, tree.check.parent, "check")
    return os.fsdecode(said).split()


def environment(
    tree: Tree, options: Sequence[str], environ: Mapping[str, str], scratch: Path, build: str
) -> dict[str, str]:
    """Return the variables that ``check`` with *options* gives a test, beside those of *environ*.

    Its directories are made in *scratch*. Raises UsageError with what ``check`` has to say.
    """
    answer = scratch / "environment"
    own = {"TEST_DIR": str(scratch), "SOCK_DIR": str(scratch), **bytecode(environ)}
    command = [python(build), str(tree.check), *options, "--", "/bin/sh", "-c"]
    command += ['exec env -0 >"$1"', "sh", str(answer)]
    _answer(command, {**environ, **own}, tree.check.parent, "check")
    told = dict(
        each.split("=", 1) for each in os.fsdecode(answer.read_bytes()).split("\0") if "=" in each
    )
    unwanted = {*own, "OUTPUT_DIR", "PWD", "OLDPWD", "SHLVL", "_"}
    told = {n: text for n, text in told.items() if n not in unwanted and environ.get(n) != text}
    return {**told, **_of_sanitizer(tree)}


def _of_sanitizer(tree: Tree) -> dict[str, str]:
    """Return what ``check`` tells AddressSanitizer where it is to say nothing of leaks.

    QEMU 10.2 does so when it starts a test, so it cannot be asked.
    """
    runner, said = tree.tests / "testrunner.py", "detect_leaks=0"
    knows = runner.is_file() and said in runner.read_text("utf-8", "replace")
    return {"ASAN_OPTIONS": said} if knows else {}


def _answer(command: Sequence[str], environ: Mapping[str, str], folder: Path, name: str) -> bytes:
    """Return what a program of a tree prints; raise UsageError, with the last line, if it fails."""
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env=environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=ANSWER_LIMIT,
        )
    except OSError as error:
        raise UsageError(f"{command[0]}: cannot be started: {error.strerror}") from None
    except subprocess.TimeoutExpired:
        raise UsageError(f"{folder / name}: no answer in {ANSWER_LIMIT:g} s") from None
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip().split("\n")[-1]
        raise UsageError(f"{folder / name}: {said or f'exit status {done.returncode}'}")
    return done.stdout
