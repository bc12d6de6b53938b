# SPDX-License-Identifier: GPL-2.0-or-later
# group: quick
"""Which cases are run; and one line, with status 2, for what cannot be meant."""

import tiny
from goldlock import Case, run


def main(case: Case) -> None:
    suite = tiny.copy(case, "pass")
    (suite / "suite.toml").write_text('kit = "qemu"\n')
    fail = tiny.copy(case, "fail")
    case.section("which cases")
    for options in (
        ["-n"],
        ["-n", "002"],
        ["-n", "-g", "python"],
        ["-n", "-g", "quick", "-x", "python"],
        ["-n", "--start-from", "002"],
        ["-n", "001", "-g", "python"],
    ):
        case.log(f"\n$ run_tests.py {' '.join(options)}")
        tiny.run(case, suite, *options)

    case.section("what cannot be meant")
    for options in (
        ["003"],
        ["quick"],
        ["-g", "quikc"],
        ["--udpate"],
        ["-qcow3"],
        ["--imgfmt", "qcow3"],
        ["--imgproto", "fil"],
        ["--require", "qemu-image"],
        ["--time-limit", "long"],
        ["--time-limit", "-1"],
        ["--start-from", "9"],
        ["-x", "quick"],
        ["-g"],
        ["-g", ","],
        ["-n", "-x", "quick"],
        ["--time-limit", "inf"],
        ["--build", "/no/such/build"],
        ["--suite", "/no/such/suite"],
        ["--variant", "elided"],
    ):
        case.log(f"\n$ run_tests.py {' '.join(options)}")
        tiny.run(case, suite, *options)

    case.section("programs that are named, but not there")
    tiny.run(case, suite, QEMU_IMG_PROG="/no/such/qemu-img")
    tiny.run(case, suite, QEMU_PROG=str(suite / "expected" / "001.out"))
    tiny.run(case, suite, QEMU_IO_OPTIONS="-f 'raw")

    case.section("suites that are not sound")
    for name in ("header", "header2", "header3", "header4", "header5", "header6"):
        tiny.run(case, tiny.copy(case, name))

    case.section("what is missing can be made a failure")
    tiny.run(case, tiny.copy(case, "notrun"), "--require", "qemu")

    case.section("options for pytest")
    tiny.run(case, fail, "001", "--", "--tb=no", "-q")


run(main)
