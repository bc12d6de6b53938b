# SPDX-License-Identifier: GPL-2.0-or-later
"""A new database cluster, its server, and its client."""

import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from goldlock import Case
from goldlock.case.program import Program

READY = "database system is ready to accept connections"
"""The last that a server says when it starts."""
CONFIGURATION = """
listen_addresses = ''
unix_socket_directories = '{sockets}'
dynamic_shared_memory_type = mmap  # nothing is left in /dev/shm by a server that is killed
fsync = off
log_line_prefix = ''
"""


def make_cluster(case: Case) -> tuple[Program, Program]:
    """Make a cluster in the folder ``data``; return its server, and psql as its owner."""
    os.environ.update(PGDATA="data", PGHOST=case.sock_dir, PGUSER="owner", PGDATABASE="postgres")
    shutil.copytree(case.once("cluster", partial(_init, unprivileged(case, "initdb"))), "data")
    with Path("data/postgresql.conf").open("a") as file:
        file.write(CONFIGURATION.format(sockets=case.sock_dir))
    return unprivileged(case, "postgres"), case.program("psql")


def _init(initdb: Program, folder: str) -> None:
    options = ("--no-sync", "--wal-segsize=1", "--locale=C", "--username=owner")
    made = initdb(f"--pgdata={folder}", *options)
    assert made.status == 0, made.text


@contextmanager
def running(case: Case, postgres: Program) -> Iterator[None]:
    """Have a server for the length of the block; killed, it would leave shared memory behind."""
    with case.start(postgres, line=READY, limit=120) as server:
        yield
        server.signal(signal.SIGINT)
        server.wait(show=False)


def unprivileged(case: Case, name: str) -> Program:
    """Return a program that does not run as root: root gets a namespace to be somebody else in."""
    if os.geteuid():
        return case.program(name)
    command = case.program(name).argv()
    return case.program("unshare", "--user", "--map-user=1", *command, name=name)
