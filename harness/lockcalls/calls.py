# SPDX-License-Identifier: GPL-2.0-or-later
"""A lock call as its program means it, read out of the process that waits in it.

The supervisor carries out calls on open-file-description (OFD) locks itself, on a duplicate of
the descriptor (pidfd_getfd): such a lock belongs to the description, not to the process, so it
is the same call, and its result is known.  A POSIX lock belongs to the process: those calls
the kernel must carry out, and their result stays unseen.

seccomp_unotify(2) warns that memory may change between a look and the kernel's own look.  That
matters to a sandbox; this is a test tool, and a program that races with itself is a bug to find.
"""

# A supervisor starts ahead of short programs, and pathlib takes 5 ms to load:
# ruff: noqa: PTH115, PTH116, PTH123, PTH208

import errno
import fcntl
import itertools
import os
import struct

from goldlock import linux
from goldlock.lockcalls import seccomp

_I386_SMALL = struct.Struct("=hhiii")
_I386_LARGE = struct.Struct("=hhqqi")  # packed on i386, not on arm
_ARM_LARGE = struct.Struct("=hh4xqqi4x")

_POSIX = {5: fcntl.F_GETLK, 6: fcntl.F_SETLK, 7: fcntl.F_SETLKW}
_POSIX_64 = {12: fcntl.F_GETLK, 13: fcntl.F_SETLK, 14: fcntl.F_SETLKW}
_OFD = {36: fcntl.F_OFD_GETLK, 37: fcntl.F_OFD_SETLK, 38: fcntl.F_OFD_SETLKW}
_GETS = (fcntl.F_GETLK, fcntl.F_OFD_GETLK)
_WAITS = (fcntl.F_SETLKW, fcntl.F_OFD_SETLKW)
_KINDS = {fcntl.F_RDLCK: "read", fcntl.F_WRLCK: "write", fcntl.F_UNLCK: "unlock"}


def _meaning(call: seccomp.Notification) -> tuple[int, struct.Struct] | None:
    """Return the native command and the layout of its struct flock, or None: no lock call."""
    if call.arch in (seccomp.X86_64, seccomp.AARCH64):
        command = _POSIX.get(call.command) or _OFD.get(call.command)
        return (command, linux.FLOCK) if command else None
    if call.command in _POSIX:
        return _POSIX[call.command], _I386_SMALL
    command = _POSIX_64.get(call.command) or _OFD.get(call.command)
    if command is None or call.number != seccomp.FCNTL64_32BIT:
        return None  # the old fcntl does not know these commands
    return command, _ARM_LARGE if call.arch == seccomp.ARM else _I386_LARGE


class LockCall:
    """A lock call of a process that waits for its answer.  close() it after use.

    call     "lock", "unlock", "test" or "probe", as in a plan
    kind     "read", "write" or "unlock"
    start    first byte of the range; length in bytes, 0: to the end of all files
    file     (device, inode) behind the descriptor
    pid      the process (not the thread) that makes the call
    ofd      whether it is about an OFD lock; waits: whether it waits for one
    performable  whether perform() can carry it out here
    """

    def __init__(self, notification: seccomp.Notification) -> None:
        """Read the call; OSError when process or memory cannot be read, ValueError: no lock."""
        meaning = _meaning(notification)
        if meaning is None:
            raise ValueError("not a lock command")
        self._command, self._layout = meaning
        self._notification = notification
        self.tid = notification.tid
        raw = self._read_memory()
        self._type, self._whence, self.start, self.length, self._owner = self._layout.unpack(raw)
        if self._type not in _KINDS:
            raise ValueError("not a lock type")
        self.pid, self._fd = _duplicate(self.tid, notification.fd)
        try:
            link = f"/proc/{self.tid}/fd/{notification.fd}"
            status = os.stat(link if self._fd < 0 else self._fd)
            self.file = (status.st_dev, status.st_ino)
            self._make_absolute(status.st_size)
        except OSError:
            self.close()
            raise
        self.ofd = self._command in _OFD.values()
        self.performable = self.ofd and self._fd >= 0
        self.waits = self._command in _WAITS
        self.kind = _KINDS[self._type]
        self.call = self._name()

    def close(self) -> None:
        """Let go of the file.  Do it before the answer: an OFD lock lasts as long as a copy."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _name(self) -> str:
        if self._command in _GETS:
            return "probe" if (self.start, self.length) == (0, 0) else "test"
        return "unlock" if self._type == fcntl.F_UNLCK else "lock"

    def _read_memory(self) -> bytes:
        memory = os.open(f"/proc/{self.tid}/mem", os.O_RDONLY)
        try:
            raw = os.pread(memory, self._layout.size, self._notification.address)
        finally:
            os.close(memory)
        if len(raw) < self._layout.size:
            raise OSError(errno.EFAULT, "struct flock crosses the end of memory")
        return raw

    def _make_absolute(self, size: int) -> None:
        """Count the range from the start of the file, as the kernel will."""
        if self._whence == os.SEEK_CUR and self._fd >= 0:
            self.start += os.lseek(self._fd, 0, os.SEEK_CUR)
        elif self._whence == os.SEEK_END:
            self.start += size
        if self.length < 0:
            self.start, self.length = self.start + self.length, -self.length

    def covers(self, byte: int) -> bool:
        """Return whether the range of the call has this byte."""
        end = self.start + self.length if self.length else byte + 1
        return bool(self.start <= byte < end)

    def path(self) -> str:
        """Return the path of the file as the kernel tells it, " (deleted)" after a gone one."""
        return os.readlink(f"/proc/{self.tid}/fd/{self._notification.fd}")

    def perform(self) -> str | None:
        """Carry out a call on an OFD lock; return the kind of lock in its way, None for none.

        Raises OSError as the call would.  BlockingIOError for a call that waits says only
        that it must: let it through, so that it is the program that waits.
        """
        command = fcntl.F_OFD_SETLK if self.waits else self._command
        flock = linux.FLOCK.pack(self._type, os.SEEK_SET, self.start, self.length, self._owner)
        found = linux.FLOCK.unpack(fcntl.fcntl(self._fd, command, flock))
        if self._command not in _GETS:
            return None
        self._write_memory(found)
        return None if found[0] == fcntl.F_UNLCK else _KINDS[found[0]]

    def _write_memory(self, found: tuple[int, ...]) -> None:
        nothing = found[0] == fcntl.F_UNLCK  # then the rest of the question stays as it was
        raw = struct.pack("@h", fcntl.F_UNLCK) if nothing else self._layout.pack(*found)
        memory = os.open(f"/proc/{self.tid}/mem", os.O_WRONLY)
        try:
            os.pwrite(memory, raw, self._notification.address)
        finally:
            os.close(memory)

    def holders(self, pids: set[int]) -> list[str]:
        """Return the names of those of these processes that have a lock on the first byte.

        A lock of the call's own open file is in nobody's way, whoever else has it open.
        """
        device, inode = self.file
        place = f"{os.major(device):02x}:{os.minor(device):02x}:{inode}"
        names = set()
        for pid in pids:
            try:
                for fd in os.listdir(f"/proc/{pid}/fdinfo"):
                    locks = linux.locks_of_descriptor(pid, fd)
                    locked = any(
                        lock.place == place and lock.overlaps(self.start, self.start)
                        for lock in locks
                    )
                    if locked and not _same_open_file(pid, int(fd), self._fd):
                        names.add(program_name(pid))
            except OSError:
                continue  # gone, and its locks with it
        return sorted(names)


_PIDFD_GETFD = 438  # on every machine
_KCMP = {"x86_64": 312, "aarch64": 272}


def _same_open_file(pid: int, fd: int, copy: int) -> bool:
    """Return whether a descriptor of a process and one of this process share an open file."""
    try:
        return linux.syscall(_KCMP[os.uname().machine], pid, os.getpid(), 0, fd, copy) == 0
    except OSError:
        return False


def _duplicate(tid: int, fd: int) -> tuple[int, int]:
    """Return the process of a thread, and a copy of its descriptor, or -1 if that is forbidden."""
    try:
        pid, process = tid, os.pidfd_open(tid)
    except OSError:  # only the first thread of a process has a pidfd
        pid = _process_of(tid)
        process = os.pidfd_open(pid)
    try:
        copy = linux.syscall(_PIDFD_GETFD, process, fd, 0)
    except OSError as problem:
        if problem.errno not in (errno.EPERM, errno.EACCES, errno.ENOSYS):
            raise
        copy = -1
    finally:
        os.close(process)
    return pid, copy


def _process_of(tid: int) -> int:
    with open(f"/proc/{tid}/status", "rb") as status:
        for line in status:
            if line.startswith(b"Tgid:"):
                return int(line.split()[1])
    raise ProcessLookupError(errno.ESRCH, "no such thread")


def program_name(pid: int) -> str:
    """Return the name of the program that a process runs: for Python, of its script or module.

    One that has named itself (a fork that plays another program) has that name.  Empty when
    the process is gone.
    """
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as command_line:
            words = [os.fsdecode(word) for word in command_line.read().split(b"\0")]
        with open(f"/proc/{pid}/comm", "rb") as comm:
            itself = os.fsdecode(comm.read().removesuffix(b"\n"))
    except OSError:
        return ""
    name = words[0].rpartition("/")[2]
    if not name.startswith("python"):
        return name
    name = _script(words) or name
    # The kernel begins with the name of what was executed, cut to 15 bytes: Python or the script.
    if not itself or itself.startswith("python") or os.fsencode(name)[:15] == os.fsencode(itself):
        return name
    return itself


def _script(words: list[str]) -> str:
    """Return the name of the script or module in a command line of Python, or nothing."""
    for option, word in itertools.pairwise(words):
        if option == "-m":
            return word.rpartition(".")[2]
        if option == "-c":
            break
        if word and not word.startswith("-") and option not in ("-W", "-X"):
            return word.rpartition("/")[2]
    return ""
