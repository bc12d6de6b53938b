# SPDX-License-Identifier: GPL-2.0-or-later
"""A client of the machine monitor (QMP): greeting, negotiation, answers, events as JSON lines."""

from __future__ import annotations

import time

from goldlock.embedded.common import report
from goldlock.embedded.common.json_parse import value_of
from goldlock.embedded.common.json_split import JsonError, Splitter
from goldlock.embedded.common.json_writer import compact
from goldlock.embedded.common.report import BlockError, could_be_qemus, not_served
from goldlock.embedded.system.drives import Machine
from goldlock.embedded.system.qmp_commands import COMMANDS, VERSION
from goldlock.embedded.system.qmp_schema import QmpError, check_arguments

TYPE_CHECKING = False  # see graph.py
if TYPE_CHECKING:
    from collections.abc import Iterator

    from goldlock.embedded.common.json_split import Tokens

    Arguments = dict[str, object]


class QmpSession:
    """One client of the machine monitor."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self._splitter = Splitter()
        self._negotiated = False
        self._out_of_band = False

    def greeting(self) -> bytes:
        """Return what the server says first."""
        return _line({"QMP": {"version": VERSION, "capabilities": ["oob"]}})

    def event(self, name: str, data: dict[str, object]) -> bytes:
        """Return an event's line, or nothing for a client that has not negotiated."""
        if not self._negotiated:
            return b""
        now = time.time()
        stamp = {"seconds": int(now), "microseconds": int(now % 1 * 1000000)}
        message: dict[str, object] = {"timestamp": stamp, "event": name}
        if data:
            message["data"] = data
        return _line(message)

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Take bytes from the client, split anyhow, and yield the answer to each whole command.

        A command runs when its answer is asked for: what it prints comes before it.
        """
        for message in self._splitter.feed(data):
            yield self._answer(message)
            if self.machine.quit_reason:
                return

    def _answer(self, message: Tokens | JsonError) -> bytes:
        identity: dict[str, object] = {}
        report.begin_monitor(None)
        try:
            request = value_of(message)
            if isinstance(request, dict) and "id" in request:
                identity = {"id": request["id"]}
            return _line({"return": self._run(request), **identity})
        except (QmpError, BlockError, JsonError) as failure:
            kind = failure.kind if isinstance(failure, QmpError) else "GenericError"
            return _line({**identity, "error": {"class": kind, "desc": str(failure)}})
        except OSError as failure:
            desc = failure.strerror or "I/O error"
            return _line({**identity, "error": {"class": "GenericError", "desc": desc}})
        finally:
            report.end_monitor()

    def _run(self, request: object) -> object:
        if self._out_of_band and isinstance(request, dict) and "exec-oob" in request:
            raise not_served("'exec-oob'")
        name, arguments = _check_request(request)
        if not self._negotiated:
            if name != "qmp_capabilities":
                raise QmpError(
                    "Expecting capabilities negotiation with 'qmp_capabilities'", "CommandNotFound"
                )
            check_arguments(arguments, {}, {"enable": list})
            enabled = arguments.get("enable", [])
            if enabled not in ([], ["oob"]):
                raise not_served(f"qmp_capabilities of {compact(enabled)}")
            self._negotiated, self._out_of_band = True, bool(enabled)
            return {}
        if name == "qmp_capabilities":
            raise QmpError(
                "Capabilities negotiation is already complete, command ignored", "CommandNotFound"
            )
        if name == "human-monitor-command":
            from goldlock.embedded.system.hmp import run

            check_arguments(arguments, {"command-line": str}, None, ("cpu-index",))
            return run(self.machine, str(arguments["command-line"]))
        command = COMMANDS.get(name)
        if command is None:
            desc = f"The command {name} has not been found"
            if could_be_qemus(name):
                desc = not_served(f"Command '{name}'").message
            raise QmpError(desc, "CommandNotFound")
        return command(self.machine, arguments)


def _line(message: dict[str, object]) -> bytes:
    return compact(message).encode("utf-8", "replace") + b"\r\n"


def _check_request(request: object) -> tuple[str, Arguments]:
    if not isinstance(request, dict):
        raise QmpError("QMP input must be a JSON object")
    name = request.get("execute")
    for member, value in request.items():
        if member not in ("execute", "id", "arguments"):
            raise QmpError(f"QMP input member '{member}' is unexpected")
        if member == "execute" and not isinstance(value, str):
            raise QmpError(f"QMP input member '{member}' must be a string")
        if member == "arguments" and not isinstance(value, dict):
            raise QmpError("QMP input member 'arguments' must be an object")
    if name is None:
        raise QmpError("QMP input lacks member 'execute'")
    return str(name), request.get("arguments", {})
