#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# group: orders
# needs: orders
"""Two commits at once, in every order of the files that they make, look at, rename and remove.

git locks by making files: index.lock, HEAD.lock. A commit that begins when the other one is there
is put on top of it; else one is refused, as there is a lock, or as HEAD is another one than it was
when it began. In no order is a lock left.
"""

import os
import re

from goldlock import Case, run
from goldlock.filters import compose

SET_UP = (
    ("init", "-q", "."),
    ("config", "user.name", "A"),
    ("config", "user.email", "a@example.org"),
    ("config", "maintenance.auto", "false"),
    # How often it tries again in a time would not be the same on each machine.
    ("config", "core.filesRefLockTimeout", "0"),
    ("config", "core.packedRefsTimeout", "0"),
    ("commit", "-q", "--allow-empty", "-m", "start"),
)


def stable(text: str) -> str:
    """Write TMP for the random names of temporary files, and ID for those of commits."""
    return re.sub(r"\b[0-9a-f]{40}\b", "ID", re.sub(r"tmp_obj_\w+", "TMP", text))


def main(case: Case) -> None:
    case.stderr_output = compose(case.stderr_output, stable)
    date = "2020-01-01T00:00:00Z"
    os.environ.update(GIT_AUTHOR_DATE=date, GIT_COMMITTER_DATE=date)
    git = case.program("git")
    for words in SET_UP:
        git(*words)
    commit = (git, "commit", "-q", "--allow-empty", "-m")
    case.orders(
        {"one": (*commit, "one"), "other": (*commit, "other")},
        outcome="git log --format=%s; find .git -name '*.lock'",
        points="files",
    )


run(main)
