# SPDX-License-Identifier: GPL-2.0-or-later
"""Programs that make, rename and remove files by chance.

    random_files.py FIRST LAST

Each number is a program: three processes, some with a thread, that do so with a few names in a few
folders, one after the other, so that the same number always does the same. What each call
returned is printed, then what there is at the end.
"""

import errno
import os
import random
import sys
import threading

NAMES = ("a", "b", "d", "d/a", "d/b", "e/a", "no/a", "a/b", "d/e", "link")
PROCESSES, STEPS = 3, 40


class Process:
    """One of the processes; its choices are made where it runs, by its own share of chance."""

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
        said: list[str] = []

        def act() -> None:
            said.append(result(lambda: self.make(call, first, second, by_folder)))

        if self.chance.random() < 0.2:
            thread = threading.Thread(target=act)
            thread.start()
            thread.join()
        else:
            act()
        return f"{call} {first} {second}: {said[0]}"

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


def result(call) -> str:  # type: ignore[no-untyped-def]  # of the standard library alone
    try:
        call()
    except OSError as error:
        return errno.errorcode[error.errno or 0]
    return "ok"


def be(chance: random.Random, steps: int, answers: int) -> None:
    """Make a step for each byte that is read, until there is none."""
    process = Process(chance)
    while os.read(steps, 1):
        os.write(answers, f"{process.step()}\n".encode())
    os._exit(0)


def program(number: int) -> None:
    """Run one program, and print what it did."""
    chance = random.Random(number)
    home = os.getcwd()  # noqa: PTH109 - as short as can be
    os.mkdir(f"{number}")  # noqa: PTH102 - as above
    os.chdir(f"{number}")
    os.mkdir("d")  # noqa: PTH102 - as above
    print(f"{number} 0 mkdir: ok\n{number} 0 mkdir d: ok")  # noqa: T201 - what it is for
    ends = []
    for index in range(PROCESSES):
        steps, answers = os.pipe(), os.pipe()
        if not (pid := os.fork()):
            for end in (steps[1], answers[0], *(each for pair in ends for each in pair[1:])):
                os.close(end)
            be(random.Random(f"{number} {index}"), steps[0], answers[1])
        os.close(steps[0])
        os.close(answers[1])
        ends.append((pid, steps[1], answers[0]))
    for _ in range(STEPS):
        index = chance.randrange(PROCESSES)
        os.write(ends[index][1], b"x")
        print(number, index, os.read(ends[index][2], 200).decode(), end="")  # noqa: T201 - what it is for
    for pid, steps_end, answers_end in ends:
        os.close(steps_end)
        os.close(answers_end)
        os.waitpid(pid, 0)
    for folder, folders, files in sorted(os.walk(".")):
        print(number, "has", folder, sorted(folders), sorted(files))  # noqa: T201 - as above
    os.chdir(home)


if __name__ == "__main__":
    for each in range(int(sys.argv[1]), int(sys.argv[2]) + 1):
        program(each)
