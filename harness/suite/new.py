# SPDX-License-Identifier: GPL-2.0-or-later
"""A suite to begin with: a case, its golden, and what to do next."""

import os
import shlex
from pathlib import Path

from goldlock.errors import UsageError
from goldlock.suite.project import FILE, declared
from goldlock.suite.suite_file import FILE as SUITE_FILE

_SUITE = """\
# What goldlock is to know of the programs under test.

[programs.flock]
version = "--version"
"""

_CASE = """\
#!/bin/sh
# A lock keeps out a second process until it is let go.
# group: quick
# needs: flock
echo "== A second process cannot have the lock =="
exec 9>"$TEST_DIR/file"
flock 9
flock --nonblock "$TEST_DIR/file" true || echo "refused"

echo "== It can, once the first one has let go =="
exec 9>&-
flock --nonblock "$TEST_DIR/file" echo "locked"
"""

_GOLDEN = """\
== A second process cannot have the lock ==
refused
== It can, once the first one has let go ==
locked
"""

_NEXT = """\
{folder}: a suite with a case, cases/001.sh, and its golden, expected/001.out; suite.toml declares
the program that it needs.

Run it:

    goldlock --suite {folder}
"""

_DECLARE = """
Have pytest run it with the project's own tests, and goldlock find it, by {file}:

    [tool.goldlock]
    suites = [{suites}]
"""


def new_suite(folder: Path) -> str:
    """Make a suite in *folder*, and return what to tell of it.

    Raises UsageError where something is there, or it cannot be written.
    """
    about_project = _about_project(folder.resolve())  # may find a file that is not sound
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise UsageError(f"--new {folder}: is not empty; name a folder that is not there")
        case, golden = folder / "cases" / "001.sh", folder / "expected" / "001.out"
        for path, text in ((case, _CASE), (golden, _GOLDEN)):
            path.parent.mkdir()
            path.write_text(text)
        (folder / SUITE_FILE).write_text(_SUITE)
        case.chmod(0o755)
    except OSError as error:
        raise UsageError(f"--new {folder}: {error.strerror}") from None
    return _NEXT.format(folder=shlex.quote(str(folder))) + about_project


def _about_project(suite: Path) -> str:
    """Return how the project that the suite is in declares it; nothing where it does."""
    project = next((each for each in suite.parents if (each / FILE).exists()), Path.cwd())
    suites = declared(project)
    if suite in [each.resolve() for each in suites] or not suite.is_relative_to(project):
        return ""
    names = [_in_toml(os.path.relpath(each, project)) for each in (*suites, suite)]
    return _DECLARE.format(file=project / FILE, suites=", ".join(names))


def _in_toml(text: str) -> str:
    """Return a string as TOML has it, whose escapes are not those of JSON past 16 bits."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    kept = (c if c.isprintable() else rf"\U{ord(c):08x}" for c in escaped)
    return f'"{"".join(kept)}"'
