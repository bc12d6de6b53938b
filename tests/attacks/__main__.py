# SPDX-License-Identifier: GPL-2.0-or-later
"""Make all attacks, the long ones, too, and write docs/attacks.md.

usage: python -m tests.attacks [JOBS]      (default: 1; as root: half of them need mounts)
"""

import os
import sys

import pytest

if __name__ == "__main__":
    os.environ["GOLDLOCK_ATTACKS"] = "all"  # before tests.attacks.places is loaded
    from tests.attacks import table

    attacks = table.Table()
    pytest.main(["--collect-only", "-qq", *table.TESTS], [attacks])
    status = pytest.main(["-q", "-rfs", "-n", *(sys.argv[1:] or "1"), *table.TESTS], [attacks])
    seen = table.kills_in(table.FILE.read_text()) if table.FILE.exists() else ""
    table.FILE.write_text(attacks.text(seen))
    sys.exit(status)
