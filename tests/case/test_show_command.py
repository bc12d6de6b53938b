# SPDX-License-Identifier: GPL-2.0-or-later
"""goldlock show: what a shell case shows of a command, and what its log keeps."""

import os
from pathlib import Path

import pytest

from tests.conftest import MakeSuite, RunTests

SCRIPT = r"""#!/bin/sh
echo in >"$TEST_DIR/f"
goldlock show -- sh -c 'cat; printf "%s" "$PWD"; echo err >&2; exit 3' <"$TEST_DIR/f"
echo "status $?"
goldlock show pids -- sh -c 'echo pid $$; kill -9 $$'
echo "status $?"
goldlock show -- no-such
echo "status $?"
goldlock show -- "$TEST_DIR"
echo "status $?"
"""

GOLDEN = r"""$ sh -c 'cat; printf "%s" "$PWD"; echo err >&2; exit 3'
in
TEST_DIR
err
[exit status 3]
status 3
$ sh -c 'echo pid $$; kill -9 $$'
pid PID
[ended by SIGKILL]
status 137
$ no-such
goldlock show: no-such: No such file or directory
status 127
$ TEST_DIR
goldlock show: TEST_DIR: Permission denied
status 126
"""


def test_a_command_is_shown_run_and_kept(
    run_tests: RunTests, suite: MakeSuite, tmp_path: Path
) -> None:
    suite.case("1.sh", SCRIPT, golden=GOLDEN)
    # Somebody else's folder on PATH, such as root's own for an ordinary user: no word of it.
    closed = tmp_path / "closed"
    closed.mkdir(mode=0)
    path = f"{closed}:{os.environ['PATH']}"
    done = run_tests("--suite", str(suite.root), "-d", PATH=path)
    assert done.returncode == 0, done.stdout
    log = done.stdout.partition(" PASSED ")[2]
    assert "    $ sh -c 'echo pid $$; kill -9 $$'\n    pid " in log
    assert "    [exit status -9]\n    $ no-such\n    [No such file or directory]\n" in log


def test_the_log_tells_who_has_the_lock(run_tests: RunTests, suite: MakeSuite) -> None:
    script = "exec 9>f; flock 9; goldlock show -- sh -c 'flock -n f true || echo is locked'"
    suite.case("1.sh", script, "$ sh -c 'flock -n f true || echo is locked'\nis locked\n")
    done = run_tests("--suite", str(suite.root), "-d")
    assert done.returncode == 0, done.stdout
    assert (
        "[exit status 0]\n    # locks:\n    f: all bytes, exclusive (flock): 1.sh (" in done.stdout
    )


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("git add a", "-- stands before the command that is shown"),
        ("--", "-- stands before the command that is shown"),
        ("no_filter -- true", "unknown filter 'no_filter'; goldlock filter --list lists them"),
        ("volatile x -- true", "volatile wants PATTERN NAME, and was given 1 of them"),
    ],
)
def test_a_command_line_that_is_wrong(
    run_tests: RunTests, suite: MakeSuite, words: str, told: str
) -> None:
    told = f"goldlock show: {told}; goldlock show --help tells more\n"
    suite.case("1.sh", f"#!/bin/sh\ngoldlock show {words}\necho $?", golden=f"{told}2\n")
    done = run_tests("--suite", str(suite.root))
    assert done.returncode == 0, done.stdout
