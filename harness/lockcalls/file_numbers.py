# SPDX-License-Identifier: GPL-2.0-or-later
"""The system calls that make, rename and remove files, for each ABI that programs may speak."""

from goldlock.lockcalls.abi import AARCH64, ARM, I386, X32_BIT, X86_64

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

O_CREAT, O_EXCL, O_TRUNC = 0x40, 0x80, 0x200
"""The same in every ABI here; of other flags, that is not so."""

_BY_PATH = ("open", "creat", "mkdir", "rmdir", "link", "unlink", "symlink", "rename")
_BY_FOLDER = ("openat", "mkdirat", "unlinkat", "renameat", "linkat", "symlinkat", "renameat2")


def _numbers(by_path: tuple[int, ...], by_folder: tuple[int, ...]) -> dict[int, str]:
    both = (*zip(by_path, _BY_PATH, strict=False), *zip(by_folder, _BY_FOLDER, strict=True))
    return {**dict(both), 437: "openat2"}


_64 = _numbers((2, 85, 83, 84, 86, 87, 88, 82), (257, 258, 263, 264, 265, 266, 316))

FILE_NUMBERS: "Final[dict[int, dict[int, str]]]" = {
    X86_64: {**_64, **{X32_BIT | number: name for number, name in _64.items()}},
    I386: _numbers((5, 8, 39, 40, 9, 10, 83, 38), (295, 296, 301, 302, 303, 304, 353)),
    AARCH64: _numbers((), (56, 34, 35, 38, 37, 36, 276)),
    ARM: _numbers((5, 8, 39, 40, 9, 10, 83, 38), (322, 323, 328, 329, 330, 331, 382)),
}
"""The names of these calls by their numbers; aarch64 has but those that take a folder."""

FLAGS_AT = {"open": 1, "openat": 2}
"""Which argument has the flags of a call that matters only by some of them, such as O_CREAT."""

IO_URING_SETUP = 425  # in every ABI
