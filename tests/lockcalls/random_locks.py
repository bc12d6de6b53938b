# SPDX-License-Identifier: GPL-2.0-or-later
"""Programs that make lock calls by chance.

    random_locks.py FIRST LAST

Each number is a program: three processes, some with a thread, that open, lock, test, unlock,
duplicate and close two files, one after the other, so that the same number always does the same.
What each call returned is printed, then what the kernel has locked at the end.
"""

import errno
import fcntl
import os
import random
import struct
import sys
import threading

FLOCK = struct.Struct("@hhqqi4x")
KINDS = {fcntl.F_RDLCK: "read", fcntl.F_WRLCK: "write", fcntl.F_UNLCK: "unlock"}
COMMANDS = {
    fcntl.F_SETLK: "posix", fcntl.F_GETLK: "posix test",
    fcntl.F_OFD_SETLK: "ofd", fcntl.F_OFD_GETLK: "ofd test",
}  # fmt: skip
FLOCKS = {fcntl.LOCK_SH: "shared", fcntl.LOCK_EX: "exclusive", fcntl.LOCK_UN: "unlock"}
MODES = (os.O_RDWR, os.O_RDWR, os.O_RDWR, os.O_RDONLY, os.O_WRONLY)
PROCESSES, STEPS = 3, 25


class Process:
    """One of the processes; its choices are made where it runs, by its own share of chance."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.files: list[int] = []

    def step(self) -> str:
        chance = self.chance
        roll = chance.random()
        if not self.files or roll < 0.15:
            path = chance.choice(("a", "b"))
            self.files.append(os.open(path, chance.choice(MODES)))
            return f"open {path}"
        fd = chance.choice(self.files)
        if roll < 0.2:
            self.files.remove(fd)
            os.close(fd)
            return "close"
        if roll < 0.25:
            self.files.append(os.dup(fd))
            return "dup"
        if roll < 0.3:
            return f"seek {os.lseek(fd, chance.randrange(40), os.SEEK_SET)}"
        act = self.flock if roll < 0.45 else self.record
        if roll > 0.9:
            said: list[str] = []
            thread = threading.Thread(target=lambda: said.append(act(fd)))
            thread.start()
            thread.join()
            return said[0]
        return act(fd)

    def flock(self, fd: int) -> str:
        kind = self.chance.choice(list(FLOCKS))
        return f"flock {FLOCKS[kind]}: {result(lambda: fcntl.flock(fd, kind | fcntl.LOCK_NB))}"

    def record(self, fd: int) -> str:
        chance = self.chance
        command = chance.choice(list(COMMANDS))
        test = COMMANDS[command].endswith("test")
        kind = chance.choice(list(KINDS)[: 2 if test else 3])
        whence = chance.choice((os.SEEK_SET, os.SEEK_SET, os.SEEK_CUR, os.SEEK_END))
        start, length = chance.randrange(-2, 30), chance.choice((0, 1, 1, 2, 5, 9, -3))
        flock = FLOCK.pack(kind, whence, start, length, 0)
        back = b""

        def call() -> None:
            nonlocal back
            back = fcntl.fcntl(fd, command, flock)

        said = result(call)
        if test and said == "ok":
            said = "free" if FLOCK.unpack(back)[0] == fcntl.F_UNLCK else "held"
        return f"{COMMANDS[command]} {KINDS[kind]}: {said}"


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
    for path in ("a", "b"):
        with open(path, "wb") as file:  # noqa: PTH123 - as short as can be
            file.write(bytes(chance.randrange(30)))
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
    for line in locked([pid for pid, _, _ in ends]):
        print(number, "has", line)  # noqa: T201 - as above
    for pid, steps_end, answers_end in ends:
        os.close(steps_end)
        os.close(answers_end)
        os.waitpid(pid, 0)


def locked(pids: list[int]) -> list[str]:
    """Return the locks of the processes, with their numbers for their ids."""
    lines = set()
    for index, pid in enumerate(pids):
        for fd in os.listdir(f"/proc/{pid}/fdinfo"):  # noqa: PTH208 - as above
            name = os.path.basename(os.readlink(f"/proc/{pid}/fd/{fd}"))  # noqa: PTH115, PTH119 - as above
            with open(f"/proc/{pid}/fdinfo/{fd}") as info:  # noqa: PTH123 - as above
                locks = [line.split()[2:] for line in info if line.startswith("lock:")]
            for system, _, kind, _, _, *span in locks:
                lines.add(f"{index} {name} {system} {kind} {span}")
    return sorted(lines)


if __name__ == "__main__":
    for each in range(int(sys.argv[1]), int(sys.argv[2]) + 1):
        program(each)
