# SPDX-License-Identifier: GPL-2.0-or-later
"""Damaged images: no command hangs, crashes, or writes over the header; what QEMU says is said."""

import struct
from pathlib import Path

import pytest

from tests.embedded import damaged
from tests.embedded.programs import run

CLUSTER = 65536


def test_no_damage_hangs_crashes_or_costs_the_header() -> None:
    endings = damaged.run(25)
    assert {ending for ending in endings if not ending.startswith("status")} == set()
    assert endings["status 0"] > 50
    assert endings["status 1"] > 50


def _change(image: Path, at: int, data: bytes) -> None:
    with image.open("r+b") as file:
        file.seek(at)
        file.write(data)


# Where, and what is written there: as qemu-img lays out an image, cluster by cluster, the header,
# the refcount table, its first block, the L1 table, the first L2 table, data.
DAMAGES = {
    "the header counts as free": (2 * CLUSTER, bytes(2)),
    "there is no refcount block": (CLUSTER, bytes(8)),
    "the L1 table counts as free": (2 * CLUSTER + 6, bytes(2)),
    "the refcount block counts as free": (2 * CLUSTER + 4, bytes(2)),
    "a guest's cluster lies on the header": (4 * CLUSTER, struct.pack(">Q", 1 << 63)),
    "the L2 table lies on the header": (3 * CLUSTER, struct.pack(">Q", 1 << 63 | CLUSTER)),
    "the refcount block is not aligned": (CLUSTER, struct.pack(">Q", 2 * CLUSTER + 512)),
}


@pytest.mark.real
@pytest.mark.parametrize("what", DAMAGES)
def test_a_write_that_would_hit_metadata_ends_as_qemus(what: str, tmp_path: Path) -> None:
    shown = {}
    for kind in ("real", "ours"):
        folder = tmp_path / kind
        folder.mkdir()
        words = ("create", "-q", "-f", "qcow2", "t", "4M")
        assert run("qemu-img", "real", *words, cwd=folder).status == 0
        assert run("qemu-io", "real", "-c", "write 0 64k", "t", cwd=folder).status == 0
        _change(folder / "t", *DAMAGES[what])
        outcome = run("qemu-io", kind, "-c", "write -P 7 1M 64k", "t", cwd=folder)
        header = (folder / "t").read_bytes()[:4]
        shown[kind] = outcome.status, outcome.stdout.split("\n")[0], outcome.stderr, header
    assert shown["ours"] == shown["real"]
    assert shown["ours"][3] == b"QFI\xfb"
