# SPDX-License-Identifier: GPL-2.0-or-later
"""The programs under test, and the environment that ``check`` gives a test of them."""

import os
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from goldlock.errors import UsageError
from goldlock.kits.qemu.environment import VARIABLES
from goldlock.kits.qemu.probe import QemuProbe
from goldlock.kits.qemu_iotests import debuggers, qtest, tree
from goldlock.suite.programs import Programs

_STAND_IN = "standin"
"""The folder of the run's scratch directory with the stand-in. No name of a format is in it: the
filters of tests rewrite those."""


_ROOM = 4 << 30
"""Bytes that must be free in memory for directories of tests to be offered a place there."""

_SOCKET_ROOM = 55
"""Characters of the run's scratch directory that leave room for a test with a long name, and for a
socket such as ``4194304-nbd-sock`` in its TEST_DIR: the kernel takes 107."""


class IotestsProbe:
    """Finds the programs as QEMU's kit does, then asks the tree; as `goldlock.suite.programs`."""

    def __init__(
        self, environ: Mapping[str, str], scratch: Path, chosen: Mapping[str, str]
    ) -> None:
        self._environ, self._scratch, self._chosen = environ, scratch, chosen
        self._tree = tree.found(Path(chosen["tree"]))
        self._qemu = QemuProbe(environ, scratch, chosen, traits=False)

    def stop(self) -> None:
        """End what has not answered; from any thread, also a signal handler."""
        self._qemu.stop()

    def programs(self) -> Programs:
        """Return what was learnt; raise UsageError where a program is missing, or hangs."""
        found = self._qemu.programs()
        for name in VARIABLES:
            if name not in found.paths:
                raise UsageError(
                    f"QEMU's own tests take all of its programs: {found.missing[name]}"
                )
        paths, notes = dict(found.paths), []
        heading, facts = found.heading, found.facts
        if qtest.works(paths["qemu-system"], self._environ):  # which -accel help does not list
            listed = f"accelerator {facts['accelerator']}"
            heading = tuple(line.replace(listed, "accelerator qtest") for line in heading)
            facts = {**facts, "accelerator": "qtest"}
        else:
            paths["qemu-system"] = qtest.stand_in(paths["qemu-system"], self._scratch / _STAND_IN)
            notes += _about_stand_in(self._tree)
        version = str(found.facts["version"]).partition(" ")[0]
        if self._tree.version not in ("", version):
            notes.append(
                f"the tests are of QEMU {self._tree.version}, the programs of {version}:"
                " some may fail for that"
            )
        if "TEST_DIR" not in self._environ:
            notes += about_memory(self._scratch, Path("/dev/shm"))
        notes += about_sockets(self._scratch)
        if {"-gdb", "-valgrind"} & {*self._chosen["flags"].split()}:
            debuggers.stand_in(self._scratch)
        named = {VARIABLES[name]: path for name, path in paths.items()}
        # The caller's are for goldlock's gdbserver; check has some for the tests to know of it.
        given = {n: text for n, text in self._environ.items() if n != "GDB_OPTIONS"} | named
        folder = self._scratch / "ask"
        folder.mkdir()
        told = tree.environment(self._tree, self._options(), given, folder, self._chosen["build"])
        return replace(
            found,
            paths=paths,
            variables={**named, **told},
            heading=(*heading, *notes),
            facts={**facts, "tests": self._tree.version},
            rows=(*found.rows, *(("Note", note) for note in notes)),
        )

    def _options(self) -> list[str]:
        """Return the options of ``check``."""
        chosen = self._chosen
        options = [f"-{chosen['imgfmt']}", f"-{chosen['imgproto']}", "-i", chosen["aiomode"]]
        options += ["-c", chosen["cachemode"]] if chosen["cachemode"] else []
        options += ["-o", chosen["imgopts"]] if chosen["imgopts"] else []
        return [*options, *chosen["flags"].split()]


def about_memory(scratch: Path, memory: Path) -> list[str]:
    """Offer to have the directories of tests, which are on a disk, in memory, where it has room.

    Some tests open images with O_DIRECT, which tmpfs takes since Linux 6.6.
    """
    if not os.major(scratch.stat().st_dev):
        return []
    try:
        os.close(os.open(memory, os.O_TMPFILE | os.O_RDWR | os.O_DIRECT))
    except OSError:
        return []
    if os.major(memory.stat().st_dev) or shutil.disk_usage(memory).free < _ROOM:
        return []
    return [f"TEST_DIR={memory} would take a tenth less time: that is in memory"]


def about_sockets(scratch: Path) -> list[str]:
    """Tell of a path that is too long: some tests have sockets in TEST_DIR, not in SOCK_DIR."""
    if len(str(scratch)) <= _SOCKET_ROOM:
        return []
    return ["TEST_DIR is a long path: tests that have sockets in it may fail"]


def _about_stand_in(where: tree.Tree) -> list[str]:
    """Tell of the stand-in, and of the tests that step the guest's clock, or print it."""
    said = "no qtest in this QEMU: tcg with a halted guest stands in for it, whose clock runs"
    names = []
    for path in sorted((*where.tests.glob("[0-9][0-9][0-9]"), *where.tests.glob("tests/*"))):
        golden = path.with_name(f"{path.name}.out")
        if golden.is_file() and (_has(path, b"clock_step") or _has(golden, b"VM CLOCK")):
            names.append(path.name)
    wants = f"; may fail for that: {' '.join(names)}" if names else ""
    return [f"{said}{wants}"]


def _has(path: Path, words: bytes) -> bool:
    return words in path.read_bytes()
