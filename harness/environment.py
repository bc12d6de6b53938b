# SPDX-License-Identifier: GPL-2.0-or-later
"""What a case is told: a frozen record, carried by environment variables.

The runner writes it, the case reads it; nothing else passes between them but standard
output and an exit status. The names are those of qemu-iotests wherever it has one.
"""

from collections.abc import Mapping
from typing import NamedTuple

NOTRUN_STATUS = 77
"""The exit status of a case that could not run here; its last line says why."""

LOG = "log"
FAILURE_REPORT = "failure-report"
STACK_DUMP = "stack-dump"
"""Names of files in the folder of a case, or of a task of it."""

OUTPUTS = "GOLDLOCK_OUTPUTS"
"""Tells a run that is one of several, with other builds, where to put what its cases print."""


class Environment(NamedTuple):
    """The variables of one case.

    ``test_dir`` and ``sock_dir`` are absolute, empty and the case's own; ``sock_dir`` is
    short enough for a Unix socket. ``kit`` is the name of the suite's kit, whose own variables
    stand beside these. ``log`` is the file for what the programs said before any filter,
    ``print`` one to show all of that in as it comes, ``failure_report`` the one for what a case
    sees around it when it fails, ``stack_dump`` the one for where it is when it is ended; empty
    for none.
    ``wrapped`` are the programs, as headers name them, before which a command stands.
    ``serial`` is not empty where a person follows the programs as they run: the tasks of a case
    run one after the other then.
    ``shims`` is a folder on PATH whose scripts put into the log what they start; who has that in
    the log anyway goes past them, by `path_without_shims`.
    ``run`` is a folder of the run's, for what its cases have in common.
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
    goldlock_failure_report: str = ""
    goldlock_stack_dump: str = ""
    goldlock_serial: str = ""
    goldlock_shims: str = ""
    goldlock_run: str = ""

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
                f"{missing[0]} is not set: a case is started by goldlock, not by hand"
            )
        return cls(**given)

    def branch(self, folder: str, test_dir: str, sock_dir: str) -> "Environment":
        """Return the record of a task of the case, whose files are in *folder*."""
        return self._replace(
            test_dir=test_dir,
            sock_dir=sock_dir,
            goldlock_log=f"{folder}/{LOG}",
            goldlock_failure_report=f"{folder}/{FAILURE_REPORT}",
            goldlock_stack_dump=f"{folder}/{STACK_DUMP}",
        )
