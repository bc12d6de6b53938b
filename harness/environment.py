# SPDX-License-Identifier: GPL-2.0-or-later
"""What a case is told: a frozen record, carried by environment variables.

The runner writes it, the case reads it; nothing else passes between them but standard
output and an exit status. The names are those of qemu-iotests wherever it has one.
"""

from collections.abc import Mapping
from typing import NamedTuple

NOTRUN_STATUS = 77
"""The exit status of a case that could not run here; its last line says why."""


class Environment(NamedTuple):
    """The variables of one case.

    ``test_dir`` and ``sock_dir`` are absolute, empty and the case's own; ``sock_dir`` is
    short enough for a Unix socket. ``kit`` is the name of the suite's kit, whose own variables
    stand beside these. ``log`` is the file for what the programs said before any filter,
    ``print`` one to show all of that in as it comes, ``situation`` the one for what a case sees
    around it when it fails, ``stack`` the one for where it is when it is ended; empty for none.
    ``wrapped`` are the programs, as headers name them, before which a command stands.
    ``one_at_a_time`` is not empty where a person follows the programs as they run: the parts of
    a case run one after the other then.
    ``not_served`` is the file to which stand-ins for programs add a line for each thing that they
    refuse.
    """

    goldlock_case: str
    test_dir: str
    sock_dir: str
    goldlock_kit: str = ""
    goldlock_not_served: str = ""
    goldlock_log: str = ""
    goldlock_print: str = ""
    goldlock_wrapped: str = ""
    goldlock_situation: str = ""
    goldlock_stack: str = ""
    goldlock_one_at_a_time: str = ""

    def to_environ(self) -> dict[str, str]:
        """Return the environment variables that carry this record."""
        return {name.upper(): value for name, value in self._asdict().items()}

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> "Environment":
        """Read the record; raise LookupError that names a variable that is missing."""
        given = {n: environ[n.upper()] for n in cls._fields if n.upper() in environ}
        missing = [n.upper() for n in ("goldlock_case", "test_dir", "sock_dir") if n not in given]
        if missing:
            raise LookupError(
                f"{missing[0]} is not set: cases are started by run_tests.py, not by hand"
            )
        return cls(**given)

    def branch(self, folder: str, test_dir: str, sock_dir: str) -> "Environment":
        """Return the record of a task of the case, whose files are in *folder*."""
        files = {name: f"{folder}/{name}" for name in ("log", "situation", "stack")}
        given = {f"goldlock_{name}": path for name, path in files.items()}
        return self._replace(test_dir=test_dir, sock_dir=sock_dir, **given)
