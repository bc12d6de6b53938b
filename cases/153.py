#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# group: rw quick lock
# formats: qcow2
# protocols: file
# needs: qemu-system qemu-img qemu-io ofd-locks
"""Image locking: who may open an image that another process has open.

This retells test 153 of QEMU's qemu-iotests, which is Copyright (C) Red Hat, Inc., and
GPL-2.0-or-later, as are this case and its goldens.
"""

from functools import partial
from itertools import product
from pathlib import Path

from goldlock.filters import compose
from goldlock.kits.qemu import Case, run
from goldlock.kits.qemu.filters import usage_errors

SIZE = "32M"
OPTIONS = ("", "read-only=on", "read-only=on,force-share=on")


def main(case: Case) -> None:
    case.stderr_output = compose(case.stderr_output, usage_errors)
    case.log("QA output created by 153")
    case.section("readonly=off,force-share=on should be rejected", "tight")
    case.show_contender_errors(*drives("null-co://,readonly=off,force-share=on"))

    with case.task_group() as group:
        for options in OPTIONS:
            group.start(one_round, options)
        group.start(two_devices)
        group.start(backing_chains)
        group.start(drives_come_and_go)
        group.start(force_share_conflicts)

    case.log("*** done")


def one_round(case: Case, options: str) -> None:
    """One holder, and all that may be tried beside it."""
    image, base = case.image, f"{case.image}.base"
    case.section("Creating base image")
    case.make_image(base, SIZE)
    case.section("Creating test image")
    case.make_image(image, backing=base)

    case.section(f"Launching QEMU, opts: '{options}'")
    with case.holder("-drive", f"file={image},if=none,{options}") as holder:
        for contending in OPTIONS:
            case.section(f"Launching another QEMU, opts: '{contending}'")
            case.show_contender_errors("-drive", f"file={image},if=none,{contending}")
        for flag in ("", "-U"):
            case.section(f"Running utility commands {flag}")
            utility_commands(case, flag)
        # Not negotiated with: the monitor refuses, and QEMU stays until it is killed.
        holder.send("quit")
        case.log("\nRound done")


def utility_commands(case: Case, flag: str) -> None:
    """Try each utility on the image, plainly or with -U (force-share)."""
    image, base, fmt = case.image, f"{case.image}.base", case.imgfmt
    share = [flag] if flag else []
    qemu_io = partial(case.show_errors, case.qemu_io)
    qemu_img = partial(case.show_errors, case.qemu_img)

    qemu_io(*share, "-c", "read 0 512", image)
    qemu_io(*share, "-r", "-c", "read 0 512", image)
    qemu_io("-c", f"open {flag} {image}", "-c", "read 0 512")
    qemu_io("-c", f"open -r {flag} {image}", "-c", "read 0 512")

    qemu_img("info", *share, image)
    qemu_img("check", *share, image)
    qemu_img("compare", *share, image, image)
    qemu_img("map", *share, image)
    qemu_img("amend", "-o", f"size={SIZE}", *share, image)
    qemu_img("commit", *share, image)
    qemu_img("resize", *share, image, SIZE)
    qemu_img("rebase", *share, image, "-b", base, "-F", fmt)
    qemu_img("snapshot", "-l", *share, image)
    qemu_img("convert", *share, image, f"{image}.convert")
    qemu_img("dd", *share, f"if={image}", f"of={image}.convert", "bs=512", "count=1")
    qemu_img("bench", *share, "-c", "1", image)
    qemu_img("bench", *share, "-w", "-c", "1", image)

    if not flag:  # create has no -U
        qemu_img("create", "-f", fmt, image, "-b", base, "-F", fmt)
        # A create that is refused must leave the image as it was, not empty.
        for line in case.qemu_img("info", "-U", image).stdout.splitlines():
            if "file format" in line:
                case.log(line, case.format)


def two_devices(case: Case) -> None:
    """Two drives of one QEMU."""
    image = create_images(case)
    options = ("read-only=off", "read-only=on", "read-only=on,force-share=on")
    for first, second in product(options, options):
        case.section(f"Two devices with the same image ({first} - {second})")
        case.show_contender_errors(*drives(f"{image},{first}", f"{image},{second}"))


def backing_chains(case: Case) -> None:
    image = create_images(case)
    case.section(f"Creating {image}.[abc]")
    case.make_image(f"{image}.a", backing=image)
    case.make_image(f"{image}.b", backing=image)
    case.make_image(f"{image}.c", backing=f"{image}.b")

    case.section("Two devices sharing the same file in backing chain")
    case.show_contender_errors(*drives(f"{image}.a", f"{image}.b"))
    case.show_contender_errors(*drives(f"{image}.a", f"{image}.c"))

    case.section("Backing image also as an active device")
    case.show_contender_errors(*drives(f"{image}.a", image))

    case.section("Backing image also as an active device (ro)")
    case.show_contender_errors(*drives(f"{image}.a", f"{image},readonly=on"))

    case.section("Symbolic link")
    Path(f"{image}.lnk").symlink_to(image)
    case.show_contender_errors(*drives(f"{image}.lnk", image))

    case.section("Active commit to intermediate layer should work when base in use")
    drive = f"format={case.imgfmt},file={image}.a,id=drive0,if=none"
    device = ("-device", "virtio-blk,drive=drive0")
    with case.holder("-drive", drive, *device, machine="") as holder:
        holder.qmp("qmp_capabilities")
        case.show_errors(case.qemu_img, "commit", "-b", f"{image}.b", f"{image}.c")


def drives_come_and_go(case: Case) -> None:
    """A running QEMU locks what it opens, and unlocks what it closes."""
    image, fmt = create_images(case), case.imgfmt
    qemu_io = partial(case.show_errors, case.qemu_io)
    qemu_img = partial(case.show_errors, case.qemu_img)
    with case.holder() as holder:
        holder.qmp("qmp_capabilities")

        case.log("Adding drive")
        holder.hmp(f"drive_add 0 if=none,id=d0,file={image}")
        qemu_io(image, "-c", "write 0 512")

        case.log("Creating overlay with qemu-img when the guest is running should be allowed")
        qemu_img("create", "-f", fmt, "-b", image, "-F", fmt, f"{image}.overlay")

        case.section("Closing an image should unlock it", "tight")
        holder.hmp("drive_del d0")
        qemu_io(image, "-c", "write 0 512")

        case.log("Adding two and closing one")
        for drive in ("d0", "d1"):
            holder.hmp(f"drive_add 0 if=none,id={drive},file={image},readonly=on")
        qemu_img("info", image)
        holder.hmp("drive_del d0")
        qemu_io(image, "-c", "write 0 512")

        case.log("Closing the other")
        holder.hmp("drive_del d1")
        qemu_io(image, "-c", "write 0 512")


def force_share_conflicts(case: Case) -> None:
    """The flag -U beside an option that says the same, or the contrary."""
    case.section("Detecting -U and force-share conflicts")
    for verdict, value in (("No conflict", "on"), ("Conflict", "off")):
        case.log(f"\n{verdict}:")
        image = f"driver=null-co,force-share={value}"
        case.log(case.qemu_img("info", "-U", "--image-opts", image).text, case.paths)
    for verdict, value in (("No conflict", "on"), ("Conflict", "off")):
        case.log(f"\n{verdict}:")
        command = f"open -r -U -o driver=null-co,force-share={value}"
        case.log(case.qemu_io("-c", command).text, case.paths)


def drives(*images: str) -> list[str]:
    """Return the options of a QEMU that opens *images*, which may have options of their own."""
    return [word for image in images for word in ("-drive", f"if=none,file={image}")]


def create_images(case: Case) -> str:
    """Create the images of a round, and show nothing; return the path of the upper one."""
    base = f"{case.image}.base"
    case.qemu_img("create", "-f", case.imgfmt, base, SIZE)
    case.qemu_img("create", "-f", case.imgfmt, "-b", base, "-F", case.imgfmt, case.image)
    return case.image


run(main)
