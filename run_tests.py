#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Run the cases of a suite, and hold what they print against its goldens."""

import sys
from pathlib import Path

if sys.version_info < (3, 11):
    print(
        "run_tests.py: needs Python 3.11 or newer, and this is %d.%d; "
        "start it as: python3.11 run_tests.py" % sys.version_info[:2],
        file=sys.stderr,
    )
    sys.exit(2)

import gc
import os

gc.disable()  # loading makes much and drops little; goldlock.cli enables it again

sys.path.insert(0, str(Path(__file__).resolve().parent / ".import"))  # `goldlock` is harness/

from goldlock.cli import main

status = main(sys.argv[1:], Path(__file__).resolve())
if "--self-test" in sys.argv:
    sys.exit(status)  # pytest tidies up its temporary directories at exit
# To take the interpreter down takes as long as a quick case, and there is nothing left to do.
sys.stdout.flush()
sys.stderr.flush()
os._exit(status)
