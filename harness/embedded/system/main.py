# SPDX-License-Identifier: GPL-2.0-or-later
"""qemu-system: the block layer and the monitors of an emulator that runs no guest."""

from __future__ import annotations

import os
import select
import sys

from goldlock.embedded.common import options as opts
from goldlock.embedded.common import report
from goldlock.embedded.common.report import BlockError, not_served
from goldlock.embedded.system.drives import Machine
from goldlock.embedded.system.options import Configuration, parse

TYPE_CHECKING = False  # see graph.py
if TYPE_CHECKING:
    import signal
    from collections.abc import Callable

    from goldlock.embedded.system.hmp import HmpSession
    from goldlock.embedded.system.monitors import Listener
    from goldlock.embedded.system.pid_file import PidFile
    from goldlock.embedded.system.qmp import QmpSession
else:
    import _signal as signal  # without the enums of `signal`, which cost as much as the rest


class _Located(BlockError):
    """What failed for the option that stands at `where`."""

    def __init__(self, where: str, failure: BlockError) -> None:
        super().__init__(failure.message, failure.hint)
        self.where = f"{where}: "


def main(argv: list[str]) -> int:
    """Run until `quit`, a signal or the end of what can still come; return the exit status."""
    name = report.set_program(argv[0])
    machine = Machine()
    pid_file = None
    try:
        configuration = parse(argv[1:], name)
        if configuration.answer:
            sys.stdout.write(configuration.answer)
            return 0
        machine.running = not configuration.paused
        machine.has_bus = configuration.machine != "none"
        pid_file = _pid_file(configuration)
        loop = Loop(machine, configuration)  # its sockets may wait for a client
        _open_images(machine, configuration)
        loop.greet()
        loop.find_monitors(configuration)
        for where, value in configuration.values["device"]:
            _located(where, machine.add_device, value)
        loop.run()
    except BlockError as failure:
        where = failure.where if isinstance(failure, _Located) else ""
        report.error(failure.message, failure.hint, where)
        sys.stderr.flush()
        if pid_file is not None:
            pid_file.remove()
        if where:
            os._exit(1)  # QEMU ends here without closing its images: the kernel drops the locks
        return 1
    machine.close()
    if pid_file is not None:
        pid_file.remove()
    return 0


def _pid_file(configuration: Configuration) -> PidFile | None:
    if not configuration.values["pidfile"]:
        return None
    from goldlock.embedded.system.pid_file import PidFile  # hardly ever wanted

    return PidFile(configuration.values["pidfile"][-1][1])


def _open_images(machine: Machine, configuration: Configuration) -> None:
    """Open nodes, then drives, as QEMU does; the first failure ends the program.

    What is wrong with the text of an option is told before any of it is opened.
    """
    named: set[str] = set()
    nodes: list[tuple[str, opts.Options]] = []
    for where, value in configuration.values["drive"]:
        _located(where, _check_id, value, named)
    for where, value in configuration.values["blockdev"]:
        nodes.append((where, {}))
        _located(where, lambda text, found: found.update(_node_options(text)), value, nodes[-1][1])
    for where, options in nodes:
        _located(where, machine.add_node, options)
    for where, value in configuration.values["drive"]:
        _located(where, machine.add_drive, value)


def _located(where: str, step: Callable[..., object], *arguments: object) -> None:
    """Do something for the option that stands at `where`, which its messages begin with."""
    report.at(where)
    try:
        step(*arguments)
    except BlockError as failure:
        raise _Located(where, failure) from None
    except OSError as failure:
        raise _Located(where, BlockError(f"{failure.strerror}")) from None
    report.at("")


def _check_id(text: str, named: set[str]) -> None:
    name = opts.parse(text).get("id")
    if name in named:
        raise BlockError(f"Duplicate ID '{name}' for drive")
    if name:
        named.add(name)


def _node_options(text: str) -> opts.Options:
    """Return the options of a -blockdev, checked as those of blockdev-add are."""
    from goldlock.embedded.common import json_parse, json_split
    from goldlock.embedded.system.qmp_schema import QmpError, check_node, from_text

    try:
        if text.startswith("{"):
            given = json_parse.parse(text)
            assert isinstance(given, dict)
        else:
            given = from_text(opts.parse(text, "driver"))
        check_node(given)
    except (QmpError, json_split.JsonError) as failure:
        raise BlockError(str(failure)) from None
    return opts.flatten(given)


def _wake_on_signals() -> int:
    """Return a descriptor from which the numbers of signals that end the program are read."""
    source, sink = os.pipe()
    os.set_blocking(source, False)
    os.set_blocking(sink, False)
    signal.set_wakeup_fd(sink)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: None)  # the wake-up tells which it was
    return source


def _signal_that_came(source: int) -> int:
    """Return the number of a signal that `_wake_on_signals` tells of; 0 for none."""
    try:
        return os.read(source, 1)[0]
    except BlockingIOError:
        return 0


def _chardev_kinds(configuration: Configuration) -> dict[str, str]:
    """Return which monitor each -mon puts on its chardev."""
    kinds = {}
    for _, value in configuration.values["mon"]:
        options = opts.parse(value, "chardev")
        name, mode = options.pop("chardev", ""), options.pop("mode", "readline")
        if options or mode not in ("control", "readline") or name in kinds:
            raise not_served(f"-mon {value}{' once more' if name in kinds else ''}")
        kinds[name] = "qmp" if mode == "control" else "monitor"
    return kinds


class Loop:
    """Waits for what the monitors' clients send, and answers; it wakes for nothing else."""

    def __init__(self, machine: Machine, configuration: Configuration) -> None:
        self.machine = machine
        self.sessions: dict[int, HmpSession | QmpSession] = {}
        self.listeners: dict[int, Listener] = {}
        self._outputs: dict[int, int] = {}
        self._stdio = ""
        self._running = False
        self._signals = -1
        self._chardevs: set[str] = set()
        kinds = _chardev_kinds(configuration)
        for name, where, value in configuration.channels:
            if name == "chardev":
                _located(where, self._open_chardev, value, kinds)
            else:
                _located(where, self._open, value, name)

    def _open(self, value: str, kind: str) -> None:
        if value in ("none", "null"):
            return
        if value in ("stdio", "mon:stdio"):
            self._stdio_session(kind)
        elif value.startswith("unix:"):
            self._listen(opts.parse(value[5:], "path"), kind)
        else:
            raise not_served(f"A monitor on '{value}'")

    def _listen(self, options: opts.Options, kind: str) -> None:
        from goldlock.embedded.system.monitors import listen

        self._watch(listen(options, kind))

    def _open_chardev(self, value: str, kinds: dict[str, str]) -> None:
        options = opts.parse(value, "backend")
        backend, name = options.pop("backend", ""), options.pop("id", "")
        if backend not in ("stdio", "socket"):
            raise not_served(f"-chardev {value}")
        if not name:
            raise BlockError("chardev: no id specified")
        if name in self._chardevs:
            raise BlockError(f"Duplicate ID '{name}' for chardev")
        if name not in kinds:
            raise not_served(f"-chardev {value} without -mon")
        self._chardevs.add(name)
        if backend == "socket":
            self._listen(options, kinds[name])
        elif options:
            raise not_served(f"-chardev stdio with '{next(iter(options))}'")
        else:
            self._stdio_session(kinds[name])

    def find_monitors(self, configuration: Configuration) -> None:
        """Look for what -mon names: QEMU does so behind the drives."""
        for where, value in configuration.values["mon"]:
            name = opts.parse(value, "chardev").get("chardev", "")
            if name not in self._chardevs:
                raise _Located(where, BlockError(f'chardev "{name}" not found'))

    def _stdio_session(self, kind: str) -> None:
        if self._stdio:
            raise BlockError("cannot use stdio by multiple character devices")
        self._stdio = kind
        self.add_session(0, 1, kind)

    def add_session(self, source: int, sink: int, kind: str) -> None:
        """Serve a client that writes to descriptor `source` and reads from `sink`."""
        if kind == "qmp":
            from goldlock.embedded.system.qmp import QmpSession

            session: HmpSession | QmpSession = QmpSession(self.machine)
        else:
            from goldlock.embedded.system.hmp import HmpSession

            session = HmpSession(self.machine)
        self.sessions[source] = session
        self._outputs[source] = sink
        if self._running:
            self._send(source, session.greeting())

    def _watch(self, listener: Listener) -> None:
        """Serve a monitor's client, or wait for one."""
        if listener.client is None:
            assert listener.server is not None
            self.listeners[listener.server.fileno()] = listener
            return
        fd = listener.client.fileno()
        self.listeners[fd] = listener
        self.add_session(fd, fd, listener.kind)

    def _send(self, source: int, data: bytes) -> None:
        # What a command prints (`Formatting ...`) stands before its answer.
        sys.stdout.flush()
        view = memoryview(data)
        try:
            while view:
                view = view[os.write(self._outputs[source], view) :]
        except (BrokenPipeError, ConnectionResetError):
            self._drop(source)

    def _announce(self) -> None:
        """Tell the clients what has come to pass."""
        events, self.machine.events = self.machine.events, []
        for name, data in events:
            for source, session in list(self.sessions.items()):
                self._send(source, session.event(name, data))

    def _drop(self, source: int) -> None:
        self.sessions.pop(source, None)
        if source in self.listeners:
            listener = self.listeners.pop(source)
            listener.disconnect()
            if listener.server is not None:
                self._watch(listener)

    def greet(self) -> None:
        """Greet the clients that there are, and from now on each that comes.

        Who is greeted may send a signal at once, which is to be heard of.
        """
        self._signals = _wake_on_signals()
        self._running = True
        for source, session in list(self.sessions.items()):
            self._send(source, session.greeting())

    def run(self) -> None:
        """Serve until somebody says quit; QEMU stays when its clients have gone, and so do we."""
        while not self.machine.quit_reason:
            waiting: list[int] = [*self.sessions]
            waiting += [fd for fd in self.listeners if fd not in self.sessions]
            nbd = self.machine.nbd
            waiting += [nbd.listener.fileno()] if nbd is not None else []
            ready, _, _ = select.select([self._signals, *waiting], [], [])
            # What select found can be older than a signal that came on the way out of it, and a
            # client that hangs up after the signal is to hear of it.
            if number := _signal_that_came(self._signals):
                report.error(f"terminating on signal {number}")
                self.machine.shut_down("host-signal")
                self._announce()
            for fd in ready:
                if self.machine.quit_reason:
                    break
                self._serve(fd)

    def _serve(self, fd: int) -> None:
        session = self.sessions.get(fd)
        if session is not None:
            try:
                data = os.read(fd, 65536)
            except ConnectionResetError:
                data = b""
            if not data:
                self._drop(fd)
                return
            for answer in session.feed(data):
                self._announce()
                self._send(fd, answer)
                job, self.machine.job = self.machine.job, None
                if job is not None:
                    job()
                    self._announce()
        elif fd in self.listeners:
            listener = self.listeners.pop(fd)
            listener.accept()
            self._watch(listener)
        elif self.machine.nbd is not None:
            self.machine.nbd.refuse()


if __name__ == "__main__":
    sys.exit(main(["qemu-system-x86_64", *sys.argv[1:]]))
