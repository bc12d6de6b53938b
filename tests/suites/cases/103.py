# SPDX-License-Identifier: GPL-2.0-or-later
# group: quick
"""--update writes goldens when all is well, and nothing when anything is not."""

import hashlib
import shutil
import subprocess
from pathlib import Path

import tiny
from goldlock import Case, run


def main(case: Case) -> None:
    case.section("what differs is written, and shown")
    suite = tiny.copy(case, "fail")
    tiny.run(case, suite, "--update")

    case.section("a second time, nothing is")
    before = state(suite)
    tiny.run(case, suite, "--update")
    case.log("touched" if state(suite) != before else "untouched")

    case.section("and the cases pass")
    tiny.run(case, suite)

    case.section("a golden is made where there is none; over a conflict, if forced")
    suite = tiny.copy(case, "goldens")
    tiny.run(case, suite, "--update", "001", "002")
    tiny.run(case, suite, "--update", "--force", "002", "--", "-q")

    case.section("not for a case that did not come to its end")
    suite = tiny.copy(case, "crash")
    before = state(suite)
    tiny.run(case, suite, "--update", "001", "002")
    case.log("touched" if state(suite) != before else "untouched")

    case.section("not in CI, unless forced")
    suite = tiny.copy(case, "lines")
    tiny.run(case, suite, "--update", "005", CI="true")
    tiny.run(case, suite, "--update", "--force", "005", CI="true")

    case.section("not over changes that are not committed, unless forced")
    suite = Path(case.test_dir) / "bytes"
    tiny.copy(case, "bytes")
    git(suite, "init", "-q")
    git(suite, "add", ".")
    git(suite, "-c", "user.name=n", "-c", "user.email=e", "commit", "-qm", "all")
    golden = suite / "expected" / "002.out"
    golden.write_text("work of an hour\n")
    tiny.run(case, suite, "--update", "002")
    case.log(golden.read_text())
    git(suite, "checkout", "-q", ".")
    tiny.run(case, suite, "--update", "002")

    case.section("not where it cannot be written")
    suite = tiny.copy(case, "pass")
    shutil.rmtree(suite / "expected")
    (suite / "expected").write_text("not a folder\n")
    tiny.run(case, suite, "--update", "001")


def git(suite: Path, *words: str) -> None:
    subprocess.run(["git", *words], cwd=suite, check=True)


def state(suite: Path) -> list[tuple[str, int, str]]:
    files = sorted((suite / "expected").iterdir())
    return [
        (path.name, path.stat().st_mtime_ns, hashlib.sha256(path.read_bytes()).hexdigest())
        for path in files
    ]


run(main)
