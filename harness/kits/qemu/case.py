# SPDX-License-Identifier: GPL-2.0-or-later
"""The Case of QEMU: its programs, images, holders and contenders.

from goldlock.kits.qemu import Case, run

def main(case: Case) -> None:
    case.make_image(case.image, "32M")
    with case.holder("-drive", f"file={case.image},if=none"):
        case.section("A second writer must fail")
        case.show_errors(case.qemu_io, "-c", "read 0 512", case.image)

run(main)
"""

import re
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Self

from goldlock.case.case import Case
from goldlock.case.program import Completed, Program
from goldlock.environment import Environment
from goldlock.filters import Filter, carriage_returns, compose, holders, one_line
from goldlock.kits.qemu import filters
from goldlock.kits.qemu.environment import QemuEnvironment

if TYPE_CHECKING:
    from typing import TypeVar

    from goldlock.case.permutation import Step, Steps
    from goldlock.case.program import Start
    from goldlock.kits.qemu.monitors import Hmp, Monitor, Qmp

    M = TypeVar("M", bound=Monitor)


class QemuProgram(Program):
    """A program of QEMU, under the name that qemu-iotests' wrapper of it has."""

    no_format: Sequence[str] = ()
    """The command with ``--image-opts``, which goes with no format; `command`, if empty."""

    @property
    def way_out(self) -> str:
        """What a case can do that cannot do without the program."""
        needs = f"'# needs: {self.name}' in its header"
        return f"with {needs}, the case is not run where it is missing"

    def argv(self, *arguments: str) -> list[str]:
        """Return the whole command line; raise CaseError when the program is not there."""
        whole = super().argv(*arguments)
        if self.no_format and "--image-opts" in arguments:
            return [*self.no_format, *arguments]
        return whole

    def echo(self, *arguments: str) -> str:
        """Return the command as goldens show it: ``_qemu_io_wrapper``, and the arguments.

        An empty argument leaves its blank, as in a shell's ``echo "$@"``.
        """
        return " ".join((f"_{self.name.replace('-', '_')}_wrapper", *arguments))


_SECRET = "keysec0"
"""The name of the secret with the key of images."""


class QemuCase(Case):
    """One run of a case of QEMU.

    ``qemu`` is the emulator, ``qsd`` the storage daemon; ``qemu_img``, ``qemu_io`` and
    ``qemu_nbd`` are the utilities.
    """

    refused = re.compile(r'Failed to (?:get (?:shared )?\\?"[a-z ]+\\?" lock|lock byte)')

    def __init__(
        self,
        environment: Environment,
        script: str = "",
        qemu: QemuEnvironment = QemuEnvironment(),  # noqa: B008 - it cannot be changed
    ) -> None:
        super().__init__(environment, script)
        self.imgfmt = qemu.imgfmt
        self.imgproto = qemu.imgproto
        self.image = f"{self.test_dir}/t.{self.imgfmt}"
        """The path of the test image; it is the case's to create."""

        self._qemu_environment = qemu
        self._start: Start = subprocess.Popen
        if qemu.goldlock_embedded:
            from goldlock.kits.qemu.embedded_fork import spawner  # only for the embedded programs

            self._start = spawner(qemu.goldlock_embedded)
        self.qemu_img = self._program_of("qemu-img", "qemu_img")
        self.qemu_io = self._program_of("qemu-io", "qemu_io")
        self.qemu_io.no_format = qemu.qemu_io_without_format()
        self.qemu_nbd = self._program_of("qemu-nbd", "qemu_nbd")
        self.qsd = self._program_of("qemu-storage-daemon", "qsd")
        self.qemu = self._program_of("qemu-system", "qemu")

    @classmethod
    def from_environ(cls, environ: Mapping[str, str], script: str) -> Self:
        """Make the case that a runner's variables tell of; raise LookupError without them."""
        qemu = QemuEnvironment.from_environ(environ)
        return cls(Environment.from_environ(environ), script, qemu)

    # Filters for this run

    @cached_property
    def format(self) -> Filter:
        """Write ``IMGFMT`` for the image format of this run."""
        return filters.image_format(self.imgfmt)

    @cached_property
    def holders(self) -> Filter:
        """In what `locks` returns, write ``PID``, and ``QEMU_PROG`` for qemu-system's name."""
        return compose(holders, filters.program(self.qemu.command[0]))

    @cached_property
    def stderr_output(self) -> Filter:
        """What programs say on standard error: `paths`, and names of programs without theirs."""
        utilities = (self.qemu_img, self.qemu_io, self.qemu_nbd, self.qsd)
        return compose(
            self.paths,
            filters.program(self.qemu.command[0]),
            *(filters.utility(each.command[0], each.name) for each in utilities),
            carriage_returns,
        )

    @cached_property
    def monitor_output(self) -> Filter:
        """What a monitor says."""
        return compose(
            self.stderr_output,
            filters.node_names,
            filters.qemu_io,
            filters.qmp,
            filters.escaped_line_ends,
            filters.hmp,
        )

    @cached_property
    def monitor_command(self) -> Filter:
        """A monitor command as the case wrote it: on one line, paths and format by name."""
        return compose(one_line, self.paths, self.format)

    # What the case starts

    def make_image(self, path: str, size: str = "", *, backing: str = "") -> None:
        """Create an image at *path*, and show what qemu-img says of it.

        *size* is as qemu-img takes it (``32M``); an image on a *backing* file of the same
        format may do without.
        """
        words = ["-f", self.imgfmt, *(["-b", backing, "-F", self.imgfmt] if backing else [])]
        options = [self._qemu_environment.imgopts]
        if self.imgfmt == "luks":
            words += self.secret
            options.append(f"key-secret={_SECRET},iter-time=10")  # ms; a second is the default
        if given := ",".join(each for each in options if each):
            words += ["-o", given]
        created = self.qemu_img("create", *words, path, *([size] if size else []))
        self.log(created.text, self.paths, self.format, filters.image_creation)

    @property
    def secret(self) -> list[str]:
        """The options that give a program the key of images, where their format has one."""
        given = ["--object", f"secret,id={_SECRET},data=123456"]
        return given if self.imgfmt == "luks" else []

    def image_opts(self, path: str) -> str:
        """Return what names the image at *path* to a program with ``--image-opts``.

        A format with a key (luks) wants `secret` beside it.
        """
        key = f"key-secret={_SECRET}," if self.imgfmt == "luks" else ""
        name = path.replace(",", ",,")
        return f"driver={self.imgfmt},{key}file.driver=file,file.filename={name}"

    def show_contender_errors(self, *arguments: str, machine: str = "none") -> Completed:
        """Start a QEMU that opens what *arguments* name, and quits as soon as it has.

        Shows what it writes to standard error. *machine* as in `holder`.
        """
        done = self.qemu(*machine_options(machine), "-monitor", "stdio", *arguments, stdin="quit\n")
        self.log(done.stderr, self.stderr_output)
        return done

    def holder(self, *arguments: str, machine: str = "none") -> "Qmp":
        """Start a QEMU that opens what *arguments* name, and stays.

        Returns when its QMP monitor has greeted, with all of its images open. Use it in a
        ``with`` statement, whose end kills it. *machine* is ``none`` unless a device needs
        another; the empty string is QEMU's own default.

        Raises CaseError when it ends, or does not greet; the message holds what it printed.
        """
        from goldlock.kits.qemu.monitors import Qmp  # pexpect: only for the cases that talk

        options = (*machine_options(machine), "-monitor", "none", "-qmp", "stdio")
        return self._monitor(Qmp, *options, *arguments)

    def storage_daemon(self, *arguments: str) -> "Qmp":
        """Start a storage daemon that opens what *arguments* name, and stays, as `holder`."""
        from goldlock.kits.qemu.monitors import Qmp  # as above

        options = ("--chardev", "stdio,id=qmp", "--monitor", "chardev=qmp")
        return self._monitor(Qmp, *options, *arguments, program=self.qsd)

    def human_monitor(self, *arguments: str, machine: str = "none") -> "Hmp":
        """Start a QEMU like `holder`, with a human monitor to talk to instead of QMP."""
        from goldlock.kits.qemu.monitors import Hmp  # as above

        return self._monitor(Hmp, *machine_options(machine), "-monitor", "stdio", *arguments)

    def qmp_session(
        self,
        *arguments: str,
        steps: "Mapping[str, Step]",
        name: str,
        machine: str = "none",
        limit: float = 60,
    ) -> "Steps":
        """Return a session for `permutations`: a QEMU, as of `holder`, and its steps.

            case.qmp_session(name="one", steps={
                "add": "drive_add 0 if=none,id=d0,file=t.qcow2",
                "stop": "{ 'execute': 'stop' }"})

        A step is a line of the human monitor, or of QMP.
        """
        from goldlock.case.permutation import Steps  # only for the cases that want it
        from goldlock.kits.qemu.monitors import QmpSpeech

        options = (*machine_options(machine), "-monitor", "none", "-qmp", "stdio", *arguments)
        shown = shlex.join((self.qemu.name, *arguments))
        return Steps(
            name, self.qemu, options, QmpSpeech(), steps, self.monitor_output, limit, shown
        )

    def preload(self) -> None:
        """Import what most tasks of a group need, once for all of them."""
        super().preload()
        if self.qemu.command[0]:
            import goldlock.kits.qemu.monitors  # noqa: F401

    def enter_branch(self, folder: str) -> None:
        """Go on in a task's directories, where the image is, too."""
        before = f"{self.test_dir}/"
        super().enter_branch(folder)
        if self.image.startswith(before):
            self.image = f"{self.test_dir}/{self.image[len(before) :]}"

    def _monitor(self, kind: "type[M]", *arguments: str, program: QemuProgram | None = None) -> "M":
        return self._register(
            kind(
                program or self.qemu,
                *arguments,
                show_command=lambda text: self.log(text, self.monitor_command),
                show_output=lambda text: self.log(text, self.monitor_output),
            )
        )

    def _program_of(self, name: str, variable: str) -> QemuProgram:
        command = self._qemu_environment.command(variable)
        return self._program(name, command, QemuProgram, self._start)


def machine_options(machine: str) -> list[str]:
    """Return the options of a QEMU that nobody looks at, with a *machine* as `QemuCase.holder`."""
    # Any machine but "none" costs 20 ms at each start.
    chosen = ["-machine", machine] if machine else []
    return ["-nographic", "-serial", "none", *chosen]
