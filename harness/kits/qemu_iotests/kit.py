# SPDX-License-Identifier: GPL-2.0-or-later
"""QEMU's own tests, as the runner knows them: their options, spelled as their ``check`` does."""

import os
from argparse import Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from goldlock.errors import UsageError, check_known
from goldlock.kits.qemu.kit import PROTOCOLS, QemuKit
from goldlock.kits.qemu_iotests import tree
from goldlock.options import Option
from goldlock.suite.programs import Probe

_REFUSED = {
    "variant": "a test's golden is the one that check takes",
    "store_durations": "nothing is written into the tree",
    "remove_orphans": "goldens of the tree are its own",
}
"""Options that make no sense here, and why."""


SKIP = "QEMU_TEST_IO_SKIP"
"""Names tests not to be run, as ``check`` of QEMU 11 takes it: [FORMAT-OR-PROTOCOL:]NAME ..."""

_FLAGS = {"misalign": "-misalign", "print": "-p", "gdb": "-gdb", "valgrind": "-valgrind"}
"""Options that take no value, and how ``check`` spells them."""


class IotestsKit(QemuKit):
    """The kit of trees of QEMU's tests."""

    name = "qemu_iotests"
    dialect = "goldlock.kits.qemu_iotests.dialect"
    words: ClassVar = {}
    traits: ClassVar[Sequence[str]] = ()
    defaults: ClassVar = {"imgfmt": "raw", "aiomode": "threads", "programs": "system"}
    options: ClassVar[Sequence[Option]] = (
        *QemuKit.options,
        Option(
            "--cachemode",
            "cache mode (default: writeback); -nocache is none",
            "MODE",
            short="-c",
            words=("nocache",),
        ),
        Option("--aiomode", "AIO mode (default: threads)", "MODE", short="-i"),
        Option("--misalign", "misalign memory of qemu-io", short="-misalign"),
        Option("--build-dir", "tests/qemu-iotests in a build directory, as meson names it", "DIR"),
    )

    def recognises(self, folder: Path) -> bool:
        return tree.find(folder) is not None

    def choose(
        self, options: Namespace, environ: Mapping[str, str], suites: Sequence[Path]
    ) -> Mapping[str, str]:
        for name, why in _REFUSED.items():
            if getattr(options, name):
                flag = name.replace("_", "-")
                raise UsageError(f"--{flag}: not with QEMU's own tests: {why}")
        if options.programs == "embedded":
            raise UsageError("--programs embedded: QEMU's own tests take QEMU itself")
        where = tree.found(suites[0])
        build = options.build or where.build or _of_meson(options.build_dir)
        check_known("protocol", options.imgproto, PROTOCOLS)
        ours = {"build": build or None, "programs": "system", "imgproto": "file"}
        cache = "none" if options.cachemode == "nocache" else options.cachemode or ""
        chosen = super().choose(Namespace(**{**vars(options), **ours}), environ, suites)
        return {
            **chosen,
            "imgproto": options.imgproto,
            "imgopts": options.imgopts,
            "cachemode": cache,
            "aiomode": options.aiomode or self.defaults["aiomode"],
            "flags": " ".join(flag for name, flag in _FLAGS.items() if getattr(options, name)),
            "skip": " ".join(_skipped(environ, (chosen["imgfmt"], options.imgproto))),
            "tree": str(where.check.parent),
            "python": tree.python(chosen["build"]),
        }

    def why_not(self, words: Mapping[str, Sequence[str]], chosen: Mapping[str, str]) -> str:
        return ""  # a test finds out for itself

    def probe(self, environ: Mapping[str, str], scratch: Path, chosen: Mapping[str, str]) -> Probe:
        from goldlock.kits.qemu_iotests.probe import IotestsProbe  # only where a test is to be run

        return IotestsProbe(environ, scratch, chosen)


def _skipped(environ: Mapping[str, str], kinds: Sequence[str]) -> list[str]:
    """Return the tests that `SKIP` names for a format and a protocol."""
    rules = [rule.rpartition(":") for rule in environ.get(SKIP, "").split()]
    return [name for kind, _, name in rules if kind in ("", *kinds)]


def _of_meson(folder: str | None) -> str:
    """Return QEMU's build directory, of which *folder* is tests/qemu-iotests."""
    return os.path.abspath(os.path.join(folder, "..", "..")) if folder else ""  # noqa: PTH100, PTH118 - as QEMU's kit


KIT = IotestsKit()
