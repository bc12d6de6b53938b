#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The command ``goldlock`` from a checkout: sets up what it needs, and runs QEMU's suite."""

import os.path  # pathlib takes 10 ms to load, which helpers of shell cases have no use for
import sys

if sys.version_info < (3, 11):
    print(
        "run_tests.py: needs Python 3.11 or newer, and this is %d.%d; "
        "start it as: python3.11 run_tests.py" % sys.version_info[:2],
        file=sys.stderr,
    )
    sys.exit(2)

root = os.path.dirname(os.path.realpath(__file__))  # noqa: PTH120 - as above
sys.path.insert(0, os.path.join(root, ".import"))  # noqa: PTH118 - as above; `goldlock` is harness/

try:
    from goldlock.__main__ import start

    start(checkout=root)
except OSError as error:  # before there is a main function to say so
    print("run_tests.py: %s: %s" % (error.filename, error.strerror), file=sys.stderr)
    sys.exit(2)
