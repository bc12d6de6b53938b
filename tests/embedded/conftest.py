# SPDX-License-Identifier: GPL-2.0-or-later
"""Images that the tests of the embedded programs begin with."""

from pathlib import Path

import pytest

from tests.embedded.programs import HAVE_REAL, STRACE, WHY_NO_REAL, run


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what compares with real programs where there are none."""
    for item in items:
        if item.get_closest_marker("real") and not HAVE_REAL:
            item.add_marker(pytest.mark.skip(reason=WHY_NO_REAL))
        if item.get_closest_marker("strace") and STRACE is None:
            item.add_marker(pytest.mark.skip(reason="needs strace"))


def make_images(folder: Path) -> None:
    """Make the chain base <- t, and beside it raw, an overlay on raw, and a damaged image.

    The real programs make them, where they are there.
    """
    maker = "real" if HAVE_REAL else "ours"
    for words in (
        ("create", "-q", "-f", "qcow2", "base", "4M"),
        ("create", "-q", "-f", "qcow2", "-b", "base", "-F", "qcow2", "t"),
        ("create", "-q", "-f", "raw", "raw", "1M"),
        ("create", "-q", "-f", "qcow2", "-b", "raw", "-F", "raw", "onraw"),
        ("create", "-q", "-f", "qcow2", "other", "2M"),
    ):
        assert run("qemu-img", maker, *words, cwd=folder).status == 0
    for name, writes in (
        ("base", ("write -P 1 0 100k", "write -P 2 1M 64k")),
        ("t", ("write -P 3 64k 64k", "write -P 4 2M 300k", "write -z 3M 64k")),
        ("onraw", ("write -P 5 0 64k",)),
    ):
        arguments = [word for write in writes for word in ("-c", write)]
        assert run("qemu-io", maker, *arguments, name, cwd=folder).status == 0
    leaky = bytearray((folder / "t").read_bytes())
    leaky[2 * 65536 + 2 * 8 : 2 * 65536 + 2 * 8 + 2] = b"\0\0"
    (folder / "broken").write_bytes(leaky)


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Return a folder with fresh images."""
    make_images(tmp_path)
    return tmp_path
