# SPDX-License-Identifier: GPL-2.0-or-later
"""Programs that make, rename and remove files by chance (see `tests.lockcalls.by_chance`).

Processes, some with a thread, do so with a few names in a few folders; at the end it is printed
what there is.
"""

import os
import random
from collections.abc import Iterator

from tests.lockcalls import by_chance
from tests.lockcalls.by_chance import PROCESSES, Processes, in_thread, result

NAMES = ("a", "b", "d", "d/a", "d/b", "e/a", "no/a", "a/b", "d/e", "link")
STEPS = 40


class Process:
    """One of the processes."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.folder = os.open(".", os.O_RDONLY)

    def step(self) -> str:
        call = self.chance.choice(
            ["create", "open", "mkdir", "symlink", "link", "rename", "unlink", "rmdir"]
        )
        first, second = self.chance.choice(NAMES), self.chance.choice(NAMES)
        by_folder = self.chance.random() < 0.3
        if call == "open" and os.path.lexists(first):
            call = "reopen"

        def act() -> str:
            return result(lambda: self.make(call, first, second, by_folder))

        said = in_thread(act) if self.chance.random() < 0.2 else act()
        return f"{call} {first} {second}: {said}"

    def make(self, call: str, first: str, second: str, by_folder: bool) -> None:
        folder = self.folder if by_folder else None
        flags = os.O_CREAT | os.O_WRONLY
        if call == "create":
            os.close(os.open(first, flags | os.O_EXCL, dir_fd=folder))
        elif call in ("open", "reopen"):
            os.close(os.open(first, flags, dir_fd=folder))
        elif call == "symlink":
            os.symlink("nowhere", first, dir_fd=folder)
        elif call == "link":
            os.link(first, second, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)
        elif call == "rename":
            os.rename(first, second, src_dir_fd=folder, dst_dir_fd=folder)
        else:
            getattr(os, call)(first, dir_fd=folder)


def program(number: int, chance: random.Random) -> Iterator[str]:
    home = os.getcwd()  # noqa: PTH109 - as short as can be
    os.mkdir(f"{number}")  # noqa: PTH102 - as above
    os.chdir(f"{number}")
    os.mkdir("d")  # noqa: PTH102 - as above
    print(f"{number} 0 mkdir: ok\n{number} 0 mkdir d: ok")  # noqa: T201 - what it is for
    processes = Processes(number, lambda chance: Process(chance).step)
    for _ in range(STEPS):
        processes.step(chance.randrange(PROCESSES))
    processes.end()
    for folder, folders, files in sorted(os.walk(".")):
        yield f"{folder} {sorted(folders)} {sorted(files)}"
    os.chdir(home)


if __name__ == "__main__":
    by_chance.main(program)
