#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# group: lock
# formats: qcow2
# protocols: file
# needs: qemu-system qemu-img qemu-io ofd-locks faults
"""Who holds which locks: what each opener uses, and what it does not share, at the most."""

from goldlock.case.program import Program
from goldlock.kits.qemu import Case, run
from goldlock.kits.qemu.lock_faults import QUIET, calls_since, holdings, name_errnos

SIZE = "32M"
READ = ("-c", "read 0 512")
OPTIONS = ("", ",read-only=on", ",read-only=on,force-share=on")


def main(case: Case) -> None:
    name_errnos(case)
    image, base = case.image, f"{case.image}.base"
    case.make_image(base, SIZE)
    case.make_image(image, backing=base)

    case.section("qemu-system")
    for options in OPTIONS:
        row(case, case.qemu, "-drive", f"if=none,file={image}{options}")
    for options in OPTIONS:
        row(case, case.qemu, "-blockdev", f"driver=file,node-name=n,filename={image}{options}")

    case.section("qemu-io")
    for flags in ((), ("-r",), ("-r", "-U")):
        row(case, case.qemu_io, *flags, *READ, image)

    case.section("qemu-img that reads")
    for share in ((), ("-U",)):
        row(case, case.qemu_img, "info", *share, image)
        row(case, case.qemu_img, "check", *share, image)
        row(case, case.qemu_img, "map", *share, image)
        row(case, case.qemu_img, "compare", *share, image, image)
        row(case, case.qemu_img, "snapshot", "-l", *share, image)
        row(case, case.qemu_img, "bench", *share, "-c", "1", image)
        row(case, case.qemu_img, "convert", *share, "-O", case.imgfmt, image, f"{image}.copy")
        row(case, case.qemu_img, "dd", *share, f"if={image}", f"of={image}.copy", "count=1")

    case.section("qemu-img that writes")
    row(case, case.qemu_img, "create", "-f", case.imgfmt, f"{image}.new", SIZE)
    row(case, case.qemu_img, "bench", "-w", "-c", "1", image)
    row(case, case.qemu_img, "amend", "-o", f"size={SIZE}", image)
    row(case, case.qemu_img, "resize", image, SIZE)
    row(case, case.qemu_img, "rebase", image, "-b", base, "-F", case.imgfmt)
    row(case, case.qemu_img, "commit", image)

    case.section("A qemu-system that stays")
    for options in OPTIONS:
        drive = ("-drive", f"if=none,file={image}{options}")
        with case.holder(*drive):
            case.log(f"\nqemu-system {' '.join(drive)}", case.paths)
            case.log(case.locks(), case.holders)


def row(case: Case, program: Program, *command: str) -> None:
    """Run a program to its end; show its command, and what it has held of which image."""
    case.lock_calls()
    options = QUIET if program is case.qemu else ()
    done = program(*options, *command, stdin="quit\n")
    case.log(f"\n{program.name} {' '.join(command)}", case.paths)
    case.log(done.stderr, case.stderr_output)
    for line in holdings(calls_since(case)):
        case.log(f"  {line}")


run(main)
