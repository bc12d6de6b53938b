# SPDX-License-Identifier: GPL-2.0-or-later
"""What a program has left of the images in a folder, held against what the real one has left."""

import json
from pathlib import Path

from tests.embedded.programs import filtered, run

_OF_NO_MATTER = ("actual-size", "filename", "full-backing-filename")


def differences(theirs: Path, ours: Path) -> list[str]:
    """Return how the files of two folders differ for a guest, or for who looks at the images.

    Where clusters lie in an image, and how many of them are allocated for what is zero, is
    left to each; soundness, size, features, backing file and every byte of the disk are not.
    """
    found = []
    names = {path.name for folder in (theirs, ours) for path in folder.iterdir() if path.is_file()}
    for name in sorted(names):
        pair = theirs / name, ours / name
        there = [path.exists() for path in pair]
        if there[0] != there[1]:
            found.append(f"{name}: only {'theirs' if there[0] else 'ours'}")
        elif pair[0].read_bytes() != pair[1].read_bytes():
            found += _differences(name, theirs, ours)
    return found


def _differences(name: str, theirs: Path, ours: Path) -> list[str]:
    if (theirs / name).read_bytes()[:4] != b"QFI\xfb":
        return [f"{name}: other bytes"]
    facts, checks = [], []
    for folder in (theirs, ours):
        shown = run("qemu-img", "real", "info", "--output=json", name, cwd=folder)
        known = json.loads(shown.stdout or "{}")
        facts.append({key: value for key, value in known.items() if key not in _OF_NO_MATTER})
        done = run("qemu-img", "real", "check", "-q", name, cwd=folder)
        checks.append((done.status, filtered(done.stderr)))
    found = [f"{name}: {facts}"] if facts[0] != facts[1] else []
    if checks[0] != checks[1]:
        found.append(f"{name}: {checks}")
    words = ("compare", str(theirs / name), str(ours / name))
    compared = run("qemu-img", "real", *words, cwd=ours)
    if compared.status == 1 or (compared.status and not checks[0][0]):
        found.append(f"{name}: {compared.stdout}{compared.stderr}")
    return found
