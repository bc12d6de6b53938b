#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The command ``goldlock`` from a checkout: sets up what it needs, and runs QEMU's suite."""

import sys
from pathlib import Path

if sys.version_info < (3, 11):
    print(
        "run_tests.py: needs Python 3.11 or newer, and this is %d.%d; "
        "start it as: python3.11 run_tests.py" % sys.version_info[:2],
        file=sys.stderr,
    )
    sys.exit(2)

root = Path(__file__).resolve().parent
sys.path.insert(0, str(root / ".import"))  # `goldlock` is harness/

from goldlock.__main__ import start

start(checkout=root)
