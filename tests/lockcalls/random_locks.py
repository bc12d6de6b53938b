# SPDX-License-Identifier: GPL-2.0-or-later
"""Programs that make lock calls by chance (see `tests.lockcalls.by_chance`).

Processes, some with a thread, open, lock, test, unlock, duplicate and close two files; at the end
it is printed what the kernel has locked.
"""

import fcntl
import os
import random
import struct
from collections.abc import Iterator

from tests.lockcalls import by_chance
from tests.lockcalls.by_chance import PROCESSES, Processes, in_thread, result

FLOCK = struct.Struct("@hhqqi4x")
KINDS = {fcntl.F_RDLCK: "read", fcntl.F_WRLCK: "write", fcntl.F_UNLCK: "unlock"}
COMMANDS = {
    fcntl.F_SETLK: "posix", fcntl.F_GETLK: "posix test",
    fcntl.F_OFD_SETLK: "ofd", fcntl.F_OFD_GETLK: "ofd test",
}  # fmt: skip
FLOCKS = {fcntl.LOCK_SH: "shared", fcntl.LOCK_EX: "exclusive", fcntl.LOCK_UN: "unlock"}
MODES = (os.O_RDWR, os.O_RDWR, os.O_RDWR, os.O_RDONLY, os.O_WRONLY)
STEPS = 25


class Process:
    """One of the processes."""

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
        return in_thread(lambda: act(fd)) if roll > 0.9 else act(fd)

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


def program(number: int, chance: random.Random) -> Iterator[str]:
    for path in ("a", "b"):
        with open(path, "wb") as file:  # noqa: PTH123 - as short as can be
            file.write(bytes(chance.randrange(30)))
    processes = Processes(number, lambda chance: Process(chance).step)
    for _ in range(STEPS):
        processes.step(chance.randrange(PROCESSES))
    yield from locked(processes.pids)
    processes.end()


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
    by_chance.main(program)
