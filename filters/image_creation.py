# SPDX-License-Identifier: GPL-2.0-or-later
"""What ``qemu-img create`` says."""

import re

# The options that say what an image is; all others are defaults of a version of QEMU.
_KEPT = ("fmt", "size", "backing", "data_file", "encryption", "preallocation")
_FORMATTING = re.compile(r"^(Formatting '.*?'), (fmt=.*)$", re.M)
_NEXT_OPTION = re.compile(r" (?=[a-z0-9_.-]+=)")


def image_creation(text: str) -> str:
    r"""Keep what a person chose in a ``Formatting`` line, in one order for all formats.

    Paths are left to the filters of directories, which go first: a blank in one is not
    to be taken for the start of an option.

    before: ``Formatting 'TEST_DIR/t.qcow2', fmt=qcow2 cluster_size=65536 size=1024``
    after:  ``Formatting 'TEST_DIR/t.qcow2', fmt=qcow2 size=1024``
    """
    return _FORMATTING.sub(lambda found: f"{found[1]}, {_chosen(found[2])}", text)


def _chosen(options: str) -> str:
    ranked = []
    for option in _NEXT_OPTION.split(options):
        key = option.split("=")[0]
        rank = next((i for i, kept in enumerate(_KEPT) if key.startswith(kept)), None)
        if rank is not None:
            ranked.append((rank, option.rstrip()))
    return " ".join(option for _, option in sorted(ranked))
