# SPDX-License-Identifier: GPL-2.0-or-later
"""Files that are locks by their being there, in the table of a case."""

import pytest

from tests.conftest import MakeSuite, RunTests

CASE = """#!/usr/bin/env python3
# needs: lock-files
import os, subprocess
from goldlock import Case, filters, run

def main(case: Case) -> None:
    os.mkdir("d")
    sh = subprocess.Popen(["sh", "-c", "set -C; exec 3>d/held.lock; : >d/free.lock; : >d/gone.lock;"
        " mv d/gone.lock d/kept; mkdir d/lock; echo; read end"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    sh.stdout.readline()
    case.log(case.locks().replace(f"(pid {sh.pid})", "(pid SH)"), filters.holders)
    sh.communicate()

run(main)
"""

GOLDEN = """\
d/free.lock: created by sh (pid SH), open in none
d/held.lock: created by sh (pid SH), open in sh (pid SH)
d/lock: created by mkdir (pid PID), open in none
"""


@pytest.mark.usefixtures("_supervisor")
def test_lock_files_stand_below_the_table(run_tests: RunTests, suite: MakeSuite) -> None:
    suite.case("1.py", CASE, golden=GOLDEN)
    done = run_tests("--suite", str(suite.root))
    assert "1 case: 1 passed" in done.stdout, done.stdout


@pytest.mark.usefixtures("_supervisor")
def test_the_command_has_them_too(run_tests: RunTests, suite: MakeSuite) -> None:
    header = "# needs: lock-files\n# filters: pids"
    golden = "a.lock: created by mkdir (pid PID), open in none\n"
    suite.case("1.sh", f"{header}\nmkdir a.lock\ngoldlock locks", golden=golden)
    done = run_tests("--suite", str(suite.root))
    assert "1 case: 1 passed" in done.stdout, done.stdout
