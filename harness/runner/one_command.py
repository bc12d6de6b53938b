# SPDX-License-Identifier: GPL-2.0-or-later
"""A command in place of a case: with the environment that a case of a suite has."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence

from goldlock.dialects import known as dialects
from goldlock.errors import UsageError
from goldlock.reports.repo_paths import here
from goldlock.runner.run_context import RunContext
from goldlock.settings import Settings
from goldlock.suite.cases import Suite
from goldlock.text import printable


def run_command(
    words: Sequence[str], settings: Settings, suite: Suite, environ: Mapping[str, str]
) -> int:
    """Run a command in the current folder, as a case of a suite would be; say with what.

    Returns its exit status, as a shell does; 1 where that is 0, and what it has mounted, or cannot
    be removed of its directories, is told. Raises UsageError where there is no such command.
    """
    dialect, context = dialects.of_kit(suite.kit), RunContext(settings, environ)
    root = suite.root if dialect.is_ours else dialect.collected(suite)
    try:
        programs = context.programs(root)
        found = shutil.which(words[0], path=environ.get("PATH", os.defpath))
        if not found:
            raise UsageError(f"-- {words[0]}: command not found")
        directories = context.scratch.directories("command")
        own = {"TEST_DIR": str(directories.test), "SOCK_DIR": str(directories.sockets)}
        if "OUTPUT_DIR" in dialect.variables:
            own["OUTPUT_DIR"] = own["TEST_DIR"]
        variables = programs.variables_for(programs.paths)
        surroundings = dialect.surroundings(environ, context.scratch.root)
        print("\n".join(map(printable, programs.heading)), flush=True)  # noqa: T201 - what it is run with
        environment = {**surroundings, **variables, **own}
        status = subprocess.run([found, *words[1:]], env=environment, check=False).returncode
        left = context.scratch.restore(directories)
        left += context.scratch.done(directories, keep=False)
    finally:
        rest = context.scratch.close()
    for line in (*left, *rest):
        print(printable(here(line)), file=sys.stderr)  # noqa: T201 - as after a run
    return (status if status >= 0 else 128 - status) or bool(left or rest)
