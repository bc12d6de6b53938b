# SPDX-License-Identifier: GPL-2.0-or-later
"""What a run is made of: programs, options, machine, commit, and the job that it is part of."""

import os
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

from goldlock.result import RunInfo
from goldlock.settings import Settings
from goldlock.suite.kit import given
from goldlock.suite.programs import Programs

_HOME = Path(__file__).resolve().parents[2]
"""A checkout, or where goldlock is installed."""


def _in_checkout(root: Path) -> bool:
    return (root / "run_tests.py").exists()


def run_info(
    root: Path, settings: Settings, programs: Programs, environ: Mapping[str, str]
) -> RunInfo:
    """Return what a run is made of that begins now; how many cases it has is not known yet."""
    here = os.uname()
    return RunInfo(
        suite=root.name,
        root=str(root),
        started=time.time(),
        programs={name: programs.commands.get(name, p) for name, p in programs.paths.items()},
        facts=dict(programs.facts),
        rows=[*programs.rows],
        heading=[*programs.heading],
        typed="./run_tests.py" if _in_checkout(_HOME) else "goldlock",
        options=_options(root, settings),
        how=_run_options(settings),
        host=f"{here.nodename}, {here.sysname} {here.release} {here.machine}",
        commit=_commit(root),
        job=ci_job_url(environ),
    )


def _options(root: Path, settings: Settings) -> list[str]:
    """Return the options that repeat the choice of what is under test."""
    options = [] if root == _HOME and _in_checkout(root) else ["--suite", str(root)]
    options += given(settings)
    return [*options, "--variant", settings.variant] if settings.variant else options


def _commit(root: Path) -> str:
    """Return the commit that a suite is at, as git tells it; nothing where git cannot."""
    try:
        done = subprocess.run(
            ["git", "-C", root, "rev-parse", "HEAD"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError:
        return ""
    return done.stdout.strip() if not done.returncode else ""


def ci_job_url(environ: Mapping[str, str]) -> str:
    """Return the address of the job that GitLab or GitHub runs this in; nothing elsewhere."""
    names = ("GITHUB_SERVER_URL", "GITHUB_REPOSITORY", "GITHUB_RUN_ID")
    server, repository, run = (environ.get(name, "") for name in names)
    on_github = f"{server}/{repository}/actions/runs/{run}" if server and run else ""
    address = environ.get("CI_JOB_URL") or on_github
    return address if address.startswith(("https://", "http://")) else ""


def _run_options(settings: Settings) -> list[str]:
    """Return the options that say how often, in which order, and beside what."""
    given = [
        *(["-j", str(settings.jobs)] if settings.jobs else []),
        *(["--repeat", str(settings.repeat)] if settings.repeat else []),
        *(["--until-fail"] if settings.until_fail else []),
        *(["--stress"] if settings.stress else []),
    ]
    return given if settings.seed is None else [*given, "--seed", str(settings.seed)]
