# SPDX-License-Identifier: GPL-2.0-or-later
"""From a case to its verdict: directories and variables before, cleaning up after."""

import os
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from goldlock import safe_open
from goldlock.dialects import known as dialects
from goldlock.dialects.own import NOT_SERVED
from goldlock.environment import FAILURE_REPORT, LOG, OUTPUTS, STACK_DUMP, Environment
from goldlock.goldens import golden
from goldlock.goldens.judge import judge
from goldlock.goldens.steady import Printed, why_not
from goldlock.goldens.update import update
from goldlock.result import CaseResult, State
from goldlock.runner.ending import add_last_words, cannot_start, put_down
from goldlock.runner.kept import end_of, filter_output, kept_files
from goldlock.runner.preloaded import Preloaded
from goldlock.runner.process import CannotStart, Transcript, execute
from goldlock.runner.run_context import RunContext
from goldlock.runner.scratch import OUTPUT, Directories
from goldlock.runner.shims import Shims
from goldlock.runner.spawn import spawn
from goldlock.runner.supervision import BY_SECCOMP, LOCKS, sees_files, start_of
from goldlock.runner.update_run import last_pid, printed
from goldlock.settings import Settings
from goldlock.suite.cases import Case
from goldlock.suite.kit import load
from goldlock.suite.programs import Programs


class Hold(NamedTuple):
    """A request to hold a name that is ``exclusive`` until a case has been run."""

    name: str


class Work(NamedTuple):
    """A request to run a case with *programs*, or those of the last request, and to judge it.

    Its directory stays when it failed, or with *keep*.
    """

    case: Case
    programs: Programs | None
    keep: bool


class _Job(NamedTuple):
    """A case and what it is run with; *interrupt* can be read when it must stop at once."""

    case: Case
    programs: Programs
    directories: Directories
    reference: Sequence[Path]
    interrupt: int


class Runner:
    """Runs cases with one set of settings, in one scratch directory. A worker has one."""

    def __init__(self, settings: Settings, environ: Mapping[str, str], context: RunContext) -> None:
        self.settings = settings
        self._wrappers, self._print_to = context.wrappers, context.print_to
        self._environ = dict(environ)
        self._scratch = context.scratch
        self._shims = Shims(context.scratch.plain)
        self._preloaded = Preloaded()
        self._programs = Programs()
        self._held: int | None = None

    def serve(self, request: Hold | Work, interrupt: int) -> CaseResult | None:
        """Do what is requested.

        Raises KeyboardInterrupt once the descriptor *interrupt* is readable.
        """
        if isinstance(request, Hold):
            from goldlock.runner import named_lock  # few cases want it

            self._held = named_lock.hold(request.name, interrupt)
            return None
        try:
            return self._run(request, interrupt)
        finally:
            if self._held is not None:
                os.close(self._held)
                self._held = None

    def _run(self, request: Work, interrupt: int) -> CaseResult:
        case, named, keep = request
        if named:
            self._programs = named
        programs = self._programs
        dialect = dialects.of_kit(case.kit)
        reference = dialect.goldens(case, programs, self.settings)
        result = result_of(case, reference[0])
        result.reason = dialect.why_not(case, reference, self.settings)
        if result.reason or self._cannot_run(case, programs, result):
            return result
        directories = self._scratch.directories(case.name)
        job = _Job(case, programs, directories, reference, interrupt)
        keep |= self.settings.keep
        result.started = time.monotonic()
        try:
            self._judge(job, result)
            keep |= result.state is State.FAILED or bool(
                self._wrappers and self._wrappers.logs(directories.top)
            )
            self._read_logs(job, result, kept=keep)
        except BaseException:
            self._scratch.done(directories, keep=keep)
            raise
        left = self._scratch.done(directories, keep=keep)
        result.problems += left
        result.completed = result.completed and not left
        if keep:
            result.kept = str(directories.top)
            result.kept_files = kept_files(directories.top)
        return result

    def _read_logs(self, job: _Job, result: CaseResult, *, kept: bool) -> None:
        """Put down what was asked for of the logs, and the end of one for reports."""
        directories = job.directories
        asked = [(LOG, self.settings.show_commands), (LOCKS, self.settings.trace_locks)]
        shown = [safe_open.text(directories.top / name) for name, wanted in asked if wanted]
        result.shown = "".join(shown)
        if sees_files(job.case, self.settings):
            from goldlock.lockcalls.made import left_outside  # for those who see files only

            trace = safe_open.text(directories.top / LOCKS)
            result.made = left_outside(trace, str(directories.top))
        result.log = end_of(directories.top / LOG if kept else None, result.shown)

    def _cannot_run(self, case: Case, programs: Programs, result: CaseResult) -> bool:
        """Tell whether a case cannot be run here; put down in *result* why."""
        chosen = self.settings.of_kits.get(case.kit, {})
        if reason := load(case.kit).why_not(case.words, chosen):
            result.reason = reason
            return True
        for need in case.needs:
            why = programs.why_not(need) or self._why_not(need)
            if why:
                required = need in self.settings.require
                problem = f"case {case.name} must run (--require): {why}"
                result.reason, result.problems = why, [problem] if required else []
                return True
        return False

    def _why_not(self, need: str) -> str | None:
        """Return why an ability that no kit knows cannot be had; None where it can."""
        if need in BY_SECCOMP:
            from goldlock.lockcalls.api import unavailable  # for those who want it only

            return unavailable()
        if need == "ofd-locks":
            from goldlock.runner.lock_probe import why_no_ofd_locks  # as above

            return why_no_ofd_locks(self._scratch.root)
        return None

    def _judge(self, job: _Job, result: CaseResult) -> None:
        """Run a case and judge it; put down in *result* what came of it."""
        first_pid = last_pid() if self.settings.writes else 0
        transcript = self._ran(job, result)
        if transcript is None or result.reason:
            return
        reading, output = dialects.of_kit(job.case.kit).reading, transcript.output
        if self.settings.update:
            again = partial(self._again, job, result.problems)
            first = printed(output, job.directories, first_pid)
            update(result, job.reference, first, again, reading, force=self.settings.force)
        else:
            judge(result, job.reference, output, reading)
        if self.settings.review and result.completed and result.failing:
            first = printed(output, job.directories, first_pid)
            second = self._again(job, result.no_golden)
            result.no_golden += why_not(job.reference[0], first, second)
        add_last_words(result, transcript)

    def _again(self, job: _Job, wrong: list[str]) -> Printed | None:
        """Run a case once more; return what it has printed, None where that cannot be told.

        What is *wrong* then is added.
        """
        if self.settings.once or self.settings.is_followed:
            return None
        directories, first_pid = self._scratch.directories(job.case.name), last_pid()
        second = result_of(job.case)
        try:
            transcript = self._ran(job._replace(directories=directories), second)
            found = printed(transcript.output, directories, first_pid) if transcript else None
        finally:
            second.problems += self._scratch.done(directories, keep=False)
        option = "--update" if self.settings.update else "--review"
        found_wrong = [second.reason] if second.reason else second.problems
        wrong += [f"in a second run, for {option}: {each}" for each in found_wrong]
        return found

    def _ran(self, job: _Job, result: CaseResult) -> Transcript | None:
        """Run a case; put down in *result* how it ended. None for one that cannot be started."""
        case, reference, directories = job.case, job.reference, job.directories
        environ = self._environ_of(job)
        before = [*map(golden.fingerprint, reference)]
        try:
            transcript = self._execute(job, environ)
        except CannotStart as error:
            result.problems.append(cannot_start(case.path, error.reason))
            return None
        if case.filters:
            filter_output(case, transcript.output, environ)
        if folder := self._environ.get(OUTPUTS):
            Path(folder, case.name).write_bytes(safe_open.read(transcript.output))
        wrappers = self._wrappers
        found = wrappers.problems(directories.top) if wrappers else []
        for path, known in zip(reference, before, strict=True):
            if golden.is_changed(known, golden.fingerprint(path)):
                found.append(f"{path} was changed while the case ran: by the case, or someone else")
        dialect, settings = dialects.of_kit(case.kit), self.settings
        status = None if transcript.timed_out or transcript.stopped else transcript.status
        verdict = dialect.verdict(case, status, transcript.output, directories.test)
        strict = dialect.leftovers_fail or settings.strict
        put_down(result, transcript, verdict, found, leftovers_fail=strict)
        return transcript

    def _execute(self, job: _Job, environ: Mapping[str, str]) -> Transcript:
        case, directories, dialect = job.case, job.directories, dialects.of_kit(job.case.kit)
        start = start_of(case, self.settings, directories)
        if start is spawn:
            # With --stress, those who keep the processors busy have a session each.
            session = not dialect.one_session or self.settings.stress
            start = self._preloaded.starter(dialect.imports(case), session=session)
        return execute(
            dialect.command(case, self.settings),
            environ,
            dialect.directory(case, directories.test),
            directories.top / OUTPUT,
            self.settings.limit(case.timeout),
            job.interrupt,
            start,
            partial(self._scratch.restore, directories),
        )

    def _environ_of(self, job: _Job) -> dict[str, str]:
        dialect, directories = dialects.of_kit(job.case.kit), job.directories
        paths, wrappers = job.programs.paths_for(job.case.needs), self._wrappers
        wrapped = list[str]()
        if wrappers:
            wrapped = wrappers.names(paths)
            commands, top = job.programs.commands, job.directories.test.parent
            paths = wrappers.install(paths, commands, top, job.case.name)
        own = {
            "PWD": str(dialect.directory(job.case, directories.test)),
            "HOME": str(directories.home),
            "TMPDIR": str(directories.home),
            "OUTPUT_DIR": str(directories.test),
        }
        surroundings = dialect.surroundings(self._environ, self._scratch.root)
        shims = self._shims.folder(job.programs.on_path & paths.keys())
        folders = [*([shims] if shims else []), *job.programs.folders_for(paths)]
        return {
            **surroundings,
            **job.programs.variables_for(paths),
            **self._environment(job, wrapped)._replace(goldlock_shims=shims).to_environ(),
            "PATH": ":".join([*folders, surroundings["PATH"]]),
            **{name: where for name, where in own.items() if name in dialect.variables},
        }

    def _environment(self, job: _Job, wrapped: Sequence[str]) -> Environment:
        top = str(job.directories.top)
        return Environment(
            goldlock_case=job.case.name,
            goldlock_kit=job.case.kit,
            test_dir=str(job.directories.test),
            sock_dir=str(job.directories.sockets),
            goldlock_log=f"{top}/{LOG}",
            goldlock_not_served=f"{top}/{NOT_SERVED}",
            goldlock_failure_report=f"{top}/{FAILURE_REPORT}",
            goldlock_stack_dump=f"{top}/{STACK_DUMP}",
            goldlock_wrapped=" ".join(wrapped),
            goldlock_print=self._print_to,
            goldlock_serial="yes" if self.settings.is_followed else "",
            goldlock_run=f"{self._scratch.plain}/.common",  # no case's name begins with a dot
        )


def result_of(case: Case, golden: Path | None = None) -> CaseResult:
    """Return the result of a case of which nothing is known yet."""
    golden = golden or case.expected / f"{case.name}.out"
    return CaseResult(case.name, str(case.path), str(golden), case.groups, case.title)
