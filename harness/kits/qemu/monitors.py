# SPDX-License-Identifier: GPL-2.0-or-later
"""QEMU's monitors: QMP, which speaks JSON, and the human monitor."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from goldlock.case.program import Program
from goldlock.case.session import Session
from goldlock.orders.speech import Speech

Show = Callable[[str], None]


class Monitor(Session):
    """A QEMU with a monitor. What is said is shown by *show_command* and *show_output*."""

    def __init__(
        self, program: Program, *arguments: str, show_command: Show, show_output: Show
    ) -> None:
        self._show_command = show_command
        self._show_output = show_output
        super().__init__(program, *arguments)

    def wait(self) -> int:
        """Wait for the end of a QEMU that was told to quit; return its exit status.

        Shows what it still says, the events last.
        """
        return super().wait()

    def _end_of_output(self) -> None:
        for line in self._rest():
            self._show_output(line)

    def _rest(self) -> list[str]:
        """Return the lines up to the end."""
        lines = []
        while (line := self._line("to end")) is not None:
            lines.append(line)
        return lines


class Qmp(Monitor):
    """A QEMU with a QMP monitor.

    Answers and events are two streams: QEMU may send an event before or after the answer
    to the command that caused it. The answer is shown at once, events when the case asks
    for them, or waits for the program's end.
    """

    tight = False
    """Whether commands are written ``{'execute': 'stop'}`` and not ``{ 'execute': 'stop' }``.

    QEMU's tests have both; 182 is written so."""

    def _greet(self) -> None:
        self._events: list[str] = []
        while (line := self._line("to greet")) is not None:
            if _message(line).get("QMP") is not None:
                return
        raise self._silent("to greet")

    def qmp(self, command: str, /, **arguments: Any) -> dict[str, Any]:
        """Show a command, send it, and show its answer, which is returned.

            holder.qmp("blockdev-add", node_name="node0", driver="file", filename=image)

        shows and sends, on one line,

            { 'execute': 'blockdev-add', 'arguments': { 'node-name': 'node0',
              'driver': 'file', 'filename': 'TEST_DIR/t.IMGFMT' } }

        Underscores in names of *arguments* stand for hyphens; those in keys of nested
        dictionaries stay. A *command* that begins with a brace is sent as it is written, which
        may be over several lines, and takes no arguments. QEMU's parser of JSON takes single
        quotes, too (qobject/json-lexer.c).

        Returns the answer, which has ``return`` or ``error``. Raises CaseError when none comes.
        """
        return self._answer(self.send(command, **arguments), self._show_output)

    def has_command(self, name: str) -> bool:
        """Ask this QEMU whether it has a command, and show nothing of it."""
        text = self._written("query-commands", {})
        self._send(text)
        return any(each["name"] == name for each in self._answer(text, lambda _: None)["return"])

    def _answer(self, command: str, show: Show) -> dict[str, Any]:
        """Wait for the answer to a command; *show* at once what is printed before it, and it."""
        purpose = f"to answer {' '.join(command.split())}"
        printed = []
        while (line := self._line(purpose)) is not None:
            message = _message(line)
            if "event" in message:
                self._events.append(line)
                continue
            printed.append(line)
            if "return" in message or "error" in message:
                show("\n".join(printed))
                return message
        raise self._silent(purpose)

    def hmp(self, line: str) -> dict[str, Any]:
        """Send a command of the human monitor through QMP; show and return the answer."""
        return self.qmp("human-monitor-command", command_line=line)

    def send(self, command: str, /, **arguments: Any) -> str:
        """Show a command and send it, as `qmp` does; do not wait for an answer. Return its text."""
        text = command if command.lstrip().startswith("{") else self._written(command, arguments)
        self._show_command(text)
        self._send(text)
        return text

    def event(self, name: str) -> dict[str, Any]:
        """Wait for the next event called *name*, show it, and return it."""
        for known in self._events:
            if _message(known)["event"] == name:
                self._events.remove(known)
                break
        else:
            known = self._next_event(name)
        self._show_output(known)
        return _message(known)

    def _written(self, command: str, arguments: Mapping[str, Any]) -> str:
        message: dict[str, object] = {"execute": command}
        if arguments:
            named = {name.replace("_", "-"): value for name, value in arguments.items()}
            message["arguments"] = named
        text = _json(message)
        if not self.tight:
            return text
        return "{" + text[2:-2] + (" }" if arguments else "}")

    def _next_event(self, name: str) -> str:
        while (line := self._line(f"to send the event {name}")) is not None:
            if (other := _message(line).get("event")) == name:
                return line
            if other is None:
                self._show_output(line)
            else:
                self._events.append(line)
        raise self._silent(f"to send the event {name}")

    def _rest(self) -> list[str]:
        lines = super()._rest()
        events = [line for line in lines if "event" in _message(line)]
        rest = [line for line in lines if line not in events]
        return [*rest, *self._events, *events]


class Hmp(Monitor):
    """A QEMU with a human monitor."""

    PROMPT = b"(qemu) "

    def _greet(self) -> None:
        self._until(self.PROMPT, "to greet")

    def hmp(self, command: str) -> str:
        """Show a command, send it, and show its answer, which is returned."""
        self._show_command(f"(qemu) {command}")
        self._send(command)
        # The line editor writes the command back, letter by letter, as the first line.
        answer = self._until(self.PROMPT, f"to answer {command!r}").partition("\n")[2]
        if answer:
            self._show_output(answer)
        return answer


class QmpSpeech(Speech):
    """What a session of permutations speaks: lines of QMP, or of the human monitor through it.

    A line that begins with a brace is QMP; the answer is shown as it comes, or, of the human
    monitor, as text. Events come after the answer.
    """

    def __init__(self) -> None:
        super().__init__(prompt="\n")

    def words(self, text: str, number: int) -> str:
        if not number:
            return f"{_json({'execute': 'qmp_capabilities'})}\n"
        if text.startswith("{"):
            return f"{text}\n"
        line = {"execute": "human-monitor-command", "arguments": {"command-line": text}}
        return f"{_json(line)}\n"

    def answer(self, said: str, text: str, number: int) -> str | None:
        del number
        whole = any({"return", "error"} & _message(line).keys() for line in said.splitlines())
        return self.last(said, text) if whole and said.endswith("\n") else None

    def last(self, said: str, text: str) -> str:
        lines = said.splitlines()
        events = [line for line in lines if "event" in _message(line)]
        rest = [line for line in lines if line not in events]
        if not text.startswith("{"):
            rest = [_of_human_monitor(line) for line in rest]
        return "".join(f"{line}\n" for line in (*rest, *events) if line)


def _of_human_monitor(line: str) -> str:
    """Return what the human monitor has said, where a line is an answer; else the line."""
    answer = _message(line).get("return")
    return line if answer is None else str(answer).replace("\r\n", "\n").rstrip("\n")


def _json(value: object) -> str:
    """Write JSON as QEMU's tests do: in single quotes, with blanks inside of brackets."""
    if isinstance(value, str):
        inside = json.dumps(value, ensure_ascii=False)[1:-1].replace('\\"', '"')
        return "'" + inside.replace("'", "\\'") + "'"
    if isinstance(value, Mapping) and value:
        return f"{{ {', '.join(f'{_json(key)}: {_json(each)}' for key, each in value.items())} }}"
    if isinstance(value, list | tuple) and value:
        return f"[ {', '.join(map(_json, value))} ]"
    return json.dumps(value)


def _message(line: str) -> dict[str, Any]:
    """Return a line's JSON object; an empty one for anything else that a program prints."""
    if not line.startswith("{"):
        return {}
    try:
        message = json.loads(line)
    except ValueError:
        return {}
    return message if isinstance(message, dict) else {}
