# SPDX-License-Identifier: GPL-2.0-or-later
"""Judge a transcript by its golden, or, on update, the other way round."""

import signal
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from goldlock import safe_open
from goldlock.environment import NOTRUN_STATUS
from goldlock.goldens import compare, diff, golden
from goldlock.goldens.compare import SectionResult
from goldlock.goldens.golden import GoldenError
from goldlock.inspect.stack_dump import STACK, told
from goldlock.runner.process import Transcript
from goldlock.settings import Settings

SITUATION = "situation"
"""A file beside the output: what the case saw around it when it failed."""

NOT_SERVED = "not-served"
"""A file beside the output: a line for each thing that the embedded programs have refused."""

TOO_LARGE = 8 * 1024 * 1024
"""Size in bytes past which a text is not taken apart into sections."""


class State(Enum):
    """How a case ended."""

    PASS = "passed"
    FAIL = "failed"
    NOTRUN = "not run"


@dataclass(slots=True)
class Verdict:
    """The judgement of one case.

    *golden* is the file that it was held against. *sections* are those of the output, then
    those that are missing in it. *problems* concern the case as a whole. *update* is the
    change that was made to the golden, as a diff. *reason* tells why a case was not run.
    """

    golden: Path
    sections: list[SectionResult] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    reason: str = ""
    update: str = ""
    lines: Sequence[str] = ()
    """The golden's lines."""
    new: bool = False
    """Whether there is no golden yet."""
    sound: bool = False
    """Whether the case came to its end, and did nothing wrong on its way there."""

    @property
    def failing(self) -> list[SectionResult]:
        """The sections that differ from the golden."""
        return [section for section in self.sections if section.changes]

    @property
    def state(self) -> State:
        """The verdict in one word."""
        if self.problems or self.failing:
            return State.FAIL
        return State.NOTRUN if self.reason else State.PASS


def judge(
    transcript: Transcript, reference: Path, settings: Settings, found: Sequence[str] = ()
) -> Verdict:
    """Hold a transcript against the golden *reference*; with ``update`` set, write it anew.

    *found* are problems that the case had beside its output.
    """
    verdict = Verdict(reference)
    if transcript.status == NOTRUN_STATUS and not (transcript.timed_out or transcript.stopped):
        said = diff.tail(transcript.output, 1).strip()
        verdict.reason = said or f"it ended with status {NOTRUN_STATUS}, and did not say why"
        verdict.problems = [*_left_behind(transcript), *found]
        return verdict
    if refused := safe_open.text(transcript.output.with_name(NOT_SERVED)).splitlines():
        listed = "; ".join(map(diff.printable, dict.fromkeys(refused)))
        verdict.reason = f"not served by the embedded programs: {listed}"
        verdict.problems = [*_left_behind(transcript), *found]
        return verdict
    verdict.problems = [*_ending(transcript), *found]
    verdict.sound = not verdict.problems
    try:
        if settings.update:
            _update(verdict, transcript, settings.force)
        else:
            _compare(verdict, transcript.output)
    except GoldenError as error:
        verdict.problems.append(str(error))
    if transcript.status and not any(c.got for each in verdict.failing for c in each.changes):
        # Where the golden shows no difference, what it said last is all there is to see.
        said = diff.tail(transcript.output) or "    nothing"
        verdict.problems.append(f"it said last:\n{said}")
    return verdict


def _ending(transcript: Transcript) -> list[str]:
    """Say what was wrong with how a case ended."""
    problems = []
    if transcript.timed_out:
        problems.append(
            f"time limit: the case was still running after {transcript.limit:g} s, and was"
            " ended; '# timeout: SECONDS' in its header, or --time-limit, gives it more"
            f"\nits processes were:\n{transcript.situation}"
        )
    elif transcript.stopped:
        problems.append(transcript.stopped)
    elif transcript.status:
        how = (
            f"exit status {transcript.status}"
            if transcript.status > 0
            else f"signal {_signal_name(-transcript.status)}"
        )
        problems.append(f"{how}: the case did not come to its end")
    problems += _left_behind(transcript)
    if problems:
        seen = _seen(transcript.output.with_name(SITUATION))
        problems += filter(None, [_place(transcript), seen])
    return problems


def _place(transcript: Transcript) -> str:
    """Tell where the case was when it was ended; nothing for one that SIGTERM did not end."""
    if transcript.timed_out or transcript.stopped or transcript.status == -signal.SIGTERM:
        return _printable(told(str(transcript.output.with_name(STACK))))
    return ""


def _seen(situation: Path) -> str:
    try:
        with safe_open.open_file(situation) as file:
            return _printable(file.read(TOO_LARGE).decode("utf-8", "replace"))
    except OSError:  # mostly there is none
        return ""


def _printable(text: str) -> str:
    return "\n".join(map(diff.printable, text.splitlines()))


def _left_behind(transcript: Transcript) -> list[str]:
    if not transcript.left_behind:
        return []
    said = ", ".join(map(diff.printable, transcript.left_behind))
    return [f"left behind: {said}; cleared"]


def _signal_name(number: int) -> str:
    names = {each.value: each.name for each in signal.Signals}
    return names.get(number, str(number))  # signals for real-time use have no names


def _compare(verdict: Verdict, output: Path) -> None:
    size = output.stat().st_size
    try:
        if max(size, verdict.golden.stat().st_size) > TOO_LARGE:
            _compare_large(verdict, output, size)
            return
        verdict.lines = compare.to_lines(golden.read(verdict.golden))
    except FileNotFoundError:
        verdict.new = True
        way_out = (
            "read the output, then --update makes one"
            if verdict.sound
            else "there can be one when the case comes to its end"
        )
        verdict.problems.append(f"{verdict.golden}: no golden; {way_out}")
    except OSError as error:
        raise GoldenError(f"{verdict.golden}: {error.strerror}") from None
    if size <= TOO_LARGE:  # without a golden, all of it is shown as new
        got = compare.to_lines(_text(output))
        verdict.sections = compare.Comparison(verdict.lines, got).results


def _compare_large(verdict: Verdict, output: Path, size: int) -> None:
    if found := compare.first_difference(verdict.golden, output):
        number, line, other = found
        verdict.problems.append(
            f"{verdict.golden}:{number}: the output differs from here on; it has {size} bytes,"
            " too many to be taken apart into sections"
            f"\n- {diff.printable(line)}\n+ {diff.printable(other)}"
        )


def _update(verdict: Verdict, transcript: Transcript, force: bool) -> None:
    """Make the golden what the output is, if the case came to its end, and no work is lost."""
    path = verdict.golden
    if verdict.problems:
        verdict.problems.append(f"{path} is as it was: only a case that ran to its end updates it")
        return
    new = _text(transcript.output)
    try:
        old = path.read_bytes().decode("utf-8", "surrogateescape")
    except FileNotFoundError:
        old = None
    except OSError as error:
        raise GoldenError(f"{path}: {error.strerror}") from None
    verdict.lines = compare.to_lines(new)
    verdict.sections = compare.Comparison(verdict.lines, verdict.lines).results
    if old is not None and compare.to_lines(old) == verdict.lines:
        return
    golden.check_free(path, force=force)
    golden.write(path, new)
    verdict.update = compare.difference(path, old or "", new)


def _text(output: Path) -> str:
    return output.read_bytes().decode("utf-8", "surrogateescape")
