# SPDX-License-Identifier: GPL-2.0-or-later
"""A trace for programs that read it: a JSON object a line, with its time and who made the call.

    {"id": 3, "time": 81230012345678, "pid": 7, "program": "qemu-io", "call": "lock",
     "kind": "read", "system": "OFD", "path": "/tmp/t.qcow2", "to": "/tmp/t.qcow2",
     "first": 100, "last": 100, "name": "uses consistent read",
     "text": "lock 100 (uses consistent read) of /tmp/t.qcow2, read", "result": "ok", "by": {}}
    {"id": 4, "time": 81230099345678, "result": "ok"}       a call that waited has ended
    {"time": 81230099345678, "text": "..."}                 a call that could not be read

*time* is that of the monotonic clock in nanoseconds, *text* the line of the trace without program
and result; *to* is the new name of a call that has two; *last* is null for the end of the file.
*by* has the names of the processes that are in the way, by their pids.
"""

import json
import time

from goldlock.lockcalls.calls import Call
from goldlock.lockcalls.files import FileCall
from goldlock.lockcalls.holders import program_name
from goldlock.lockcalls.trace import Trace, line
from goldlock.lockcalls.words import ByteWords, quote


class EventTrace(Trace):
    """The file that the objects go to, as each call is answered."""

    def __init__(self, path: str, words: ByteWords) -> None:
        super().__init__(path, words)
        self._calls = 0

    def record(self, call: Call, result: str) -> str:
        self._calls += 1
        program, path = program_name(call.pid), call.path()
        self._put(
            id=self._calls,
            pid=call.pid,
            program=program,
            call=call.call,
            kind=call.kind,
            system=call.system,
            path=path,
            to=call.names[-1].path if isinstance(call, FileCall) else path,
            first=call.first,
            last=call.last,
            name=self._words.name(path, call.first, call.last, call.pid),
            text=line(call, self._words).removeprefix(f"{quote(program)}: "),
            result=result,
            by={pid: program_name(pid) for pid in call.holding()},
        )
        return str(self._calls)

    def record_end(self, recorded: str, result: str) -> None:
        self._put(id=int(recorded), result=result)

    def write(self, text: str) -> None:
        self._put(text=text)

    def _put(self, **event: object) -> None:
        super().write(json.dumps({"time": time.monotonic_ns(), **event}))
