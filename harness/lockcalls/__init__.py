# SPDX-License-Identifier: GPL-2.0-or-later
"""Faults in lock calls, and a trace of them, for any unmodified program.

Imports stand in goldlock.lockcalls.api: this package is also started as a program, ahead of
programs that live 10 ms, and loads nothing that it does not need.
"""

FAULTS_VARIABLE = "GOLDLOCK_FAULTS"
"""Names the socket of the supervisor that a case runs under."""

TRACE_VARIABLE = "GOLDLOCK_LOCK_TRACE"
"""Names the file that lock calls are traced to; empty for none."""

SUPERVISOR_NAME = "goldlock-faults"
"""The name of a supervisor's process (comm), for who looks for processes left behind."""

PAUSED = -1
"""The delay of a call that stands still until it is let go."""

LONGEST_STATUS = 4096
"""Bytes of what a supervisor says of a program's end: a pipe takes so many as one."""

UNWRITTEN, MISSED = 2, 123
"""Exit statuses: the trace could not be written; no call failed, and a plan says that one must."""
