# SPDX-License-Identifier: GPL-2.0-or-later
"""A suite with a case of each kind, for reports to be made of."""

from pathlib import Path

import pytest

from tests.conftest import MakeSuite

NASTY = r"printf '</script><b>\033[31m\000\377 \360\237\230\200 100%%, a: b\n'"


@pytest.fixture
def flaky(suite: MakeSuite, tmp_path: Path) -> MakeSuite:
    """Case 1 differs in its section Two in each third run: in 2 of 8."""
    runs = f"echo run >>{tmp_path}/runs; n=$(wc -l <{tmp_path}/runs)"
    script = f"{runs}; echo == One ==; echo == Two ==; [ $((n % 3)) != 0 ] && echo good || echo bad"
    suite.case("1", script, golden="== One ==\n== Two ==\ngood\n")
    return suite


@pytest.fixture
def mixed(suite: MakeSuite) -> MakeSuite:
    """1 passes, 2 differs, 3 does not come to its end, 4 cannot run; and a golden 9 has no case."""
    suite.case("1", "#!/bin/sh\n# group: quick\necho == One ==; echo a", golden="== One ==\na\n")
    script = f"echo '== A # hash \\ [::] =='; echo '== Two =='; {NASTY}"
    golden = "== A # hash \\ [::] ==\n== Two ==\n]]> 100%, a: c\n== Three ==\nc\n"
    suite.case("2", script, golden)
    suite.case("3", "echo == Only ==; echo last words; exit 3", golden="== Only ==\nlast words\n")
    suite.case("4", "echo no lock here; exit 77", golden="")
    (suite.root / "expected" / "9.out").write_text("")
    return suite
