# SPDX-License-Identifier: GPL-2.0-or-later
"""Errors and warnings of the programs, in the words and on the channels of QEMU's tools."""

import os
import sys

ERRNO_POLICY_VARIABLE = "GOLDLOCK_ERRNO_POLICY"
NOT_SERVED_VARIABLE = "GOLDLOCK_NOT_SERVED"
"""Names a file to which each refusal adds a line: the runner's, which does not judge the case."""
_program = "qemu"


class BlockError(Exception):
    """An operation that failed, with what QEMU would report about it.

    `message` is the error line without the program's name; `hint` is what follows it for
    people, line ends included (QEMU prints it on consoles, never over QMP); `code` is the
    errno value where one is known, else 0.
    """

    def __init__(self, message: str, hint: str = "", code: int = 0) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.code = code

    def prefixed(self, prefix: str) -> "BlockError":
        """Return the same error with `prefix` before its message."""
        return BlockError(prefix + self.message, self.hint, self.code)


def os_error(prefix: str, code: int) -> BlockError:
    """Return `prefix: <strerror text of code>` as an error, as QEMU's errno reports have it."""
    return BlockError(f"{prefix}: {os.strerror(code)}", code=code)


def not_served(what: str) -> BlockError:
    """Return the refusal of something that QEMU has and these programs have not.

    A case that has met one says nothing about locks: the file of refusals tells its runner.
    """
    if path := os.environ.get(NOT_SERVED_VARIABLE):
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
        os.write(fd, f"{_program}: {what}\n".encode("utf-8", "surrogateescape"))
        os.close(fd)
    return BlockError(f"{what} is not served by the embedded programs")


def could_be_qemus(name: str) -> bool:
    """Tell whether a command of QEMU can have this name: small letters, digits and dashes."""
    return (
        name.isascii()
        and name.replace("-", "a").replace("_", "a").isalnum()
        and (name == name.lower())
    )


def errno_policy() -> str:
    """Return which lock messages end in the errno's text.

    `errno`: all; `elided`: none for EAGAIN and EACCES (QEMU since 6.0); `none`: none (QEMU 5.2).
    """
    return os.environ.get(ERRNO_POLICY_VARIABLE, "errno")


def set_program(argv0: str) -> str:
    """Set and return the name that stands before each message: argv[0] without directories."""
    global _program  # noqa: PLW0603 - one process is one program, as with QEMU's error_init
    _program = argv0.rpartition("/")[2]
    return _program


def program() -> str:
    """Return the name that stands before each message."""
    return _program


# The monitors whose commands are running, the innermost last: where reports are
# collected (the human monitor's are part of its answer), or None for stderr.
_monitors: list[list[str] | None] = []


def begin_monitor(collected: list[str] | None) -> None:
    """Begin a monitor's command: its reports have no program's name, as with QEMU."""
    _monitors.append(collected)


def end_monitor() -> None:
    """End the command of the innermost monitor."""
    _monitors.pop()


def write_report(text: str) -> None:
    """Write part of a report to where reports go now: stderr, or the human monitor."""
    collected = _monitors[-1] if _monitors else None
    if collected is None:
        write_error(text)
    else:
        collected.append(text)


def write_error(text: str) -> None:
    """Write `text` to stderr as it is, after what stdout still holds back."""
    sys.stdout.flush()
    sys.stderr.write(text)
    sys.stderr.flush()


_where = ""


def at(where: str) -> None:
    """Name the option that is at work, "" for none: it stands before warnings and notices."""
    global _where  # noqa: PLW0603 - as for the program's name
    _where = f"{where}: " if where else ""


def _name() -> str:
    return "" if _monitors else f"{_program}: "


def error(message: str, hint: str = "", where: str = "") -> None:
    """Report one error line (`where` is the option it came from), and its hint below it."""
    write_report(f"{_name()}{where}{message}\n{hint}")


def warn(message: str) -> None:
    """Report a warning: the program goes on."""
    write_report(f"{_name()}{_where}warning: {message}\n")


def info(message: str) -> None:
    """Report a notice: the program goes on."""
    write_report(f"{_name()}{_where}info: {message}\n")
