# SPDX-License-Identifier: GPL-2.0-or-later
"""Where a run was made: machine, commit, and the job of a service that ran it."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from goldlock.settings import Settings


def host() -> str:
    """Return the name of this machine, with its kernel."""
    here = os.uname()
    return f"{here.nodename}, {here.sysname} {here.release} {here.machine}"


def commit(root: Path) -> str:
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


def job(environ: Mapping[str, str]) -> str:
    """Return the address of the job that GitLab or GitHub runs this in; nothing elsewhere."""
    names = ("GITHUB_SERVER_URL", "GITHUB_REPOSITORY", "GITHUB_RUN_ID")
    server, repository, run = (environ.get(name, "") for name in names)
    on_github = f"{server}/{repository}/actions/runs/{run}" if server and run else ""
    address = environ.get("CI_JOB_URL") or on_github
    return address if address.startswith(("https://", "http://")) else ""


def how(settings: Settings) -> list[str]:
    """Return the options that say how often, in which order, and beside what."""
    given = [
        *(["-j", str(settings.jobs)] if settings.jobs else []),
        *(["--repeat", str(settings.repeat)] if settings.repeat else []),
        *(["--until-fail"] if settings.until_fail else []),
        *(["--stress"] if settings.stress else []),
    ]
    return given if settings.seed is None else [*given, "--seed", str(settings.seed)]
