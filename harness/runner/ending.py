# SPDX-License-Identifier: GPL-2.0-or-later
"""What is told of how a case ended, beside what it printed."""

import errno
import signal
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from goldlock import safe_open
from goldlock.dialects.dialect import Verdict
from goldlock.dialects.own import tail
from goldlock.environment import FAILURE_REPORT, STACK_DUMP
from goldlock.inspect.stack_dump import render
from goldlock.linux import signal_name
from goldlock.result import CaseResult
from goldlock.runner.process import Transcript
from goldlock.runner.supervision import SUPERVISION
from goldlock.text import printable

_TOO_LARGE = 8 * 1024 * 1024


def put_down(
    result: CaseResult,
    transcript: Transcript,
    verdict: Verdict,
    found: Sequence[str],
    *,
    leftovers_fail: bool,
) -> None:
    """Put down in *result* how a case ended, with what was *found* wrong beside its output."""
    result.seconds = round(transcript.seconds, 6)
    left = _left_behind(transcript)
    if not leftovers_fail:
        result.notes += left
        left = []
    if verdict.reason and not (transcript.timed_out or transcript.stopped):
        result.reason = verdict.reason
        result.problems = [*left, *found]
        return
    result.skipped = [*verdict.skipped]
    result.problems = [*_problems(transcript, left), *found]
    result.problems += [f"it had said: {verdict.reason}"] if verdict.reason else []
    result.completed = not result.problems


def add_last_words(result: CaseResult, transcript: Transcript) -> None:
    """Say what it printed last, where it failed and the golden shows no difference."""
    if transcript.status and not any(c.got for each in result.failing for c in each.changes):
        result.problems.append(f"last output:\n{tail(transcript.output) or '    nothing'}")


def _problems(transcript: Transcript, left: Sequence[str]) -> list[str]:
    """Say what was wrong with how a case ended."""
    problems = []
    if transcript.timed_out:
        problems.append(
            f"time limit: the case was still running after {transcript.limit:g} s, and was"
            " ended; '# timeout: SECONDS' in its header, or --time-limit, gives it more"
            f"\nprocess tree:\n{transcript.processes}"
        )
    elif transcript.stopped:
        problems.append(transcript.stopped)
    elif said := safe_open.text(transcript.output.with_name(SUPERVISION))[:_TOO_LARGE]:
        problems.append(said.rstrip("\n"))
    elif transcript.status:
        status, number = transcript.status, -transcript.status
        signalled = f"signal {signal_name(number).removeprefix('signal ')}"
        how = f"exit status {status}" if status > 0 else signalled
        problems.append(f"{how}: the case did not come to its end")
    problems += left
    if problems:
        seen = safe_open.text(transcript.output.with_name(FAILURE_REPORT))[:_TOO_LARGE]
        problems += filter(None, [_place(transcript), seen.rstrip("\n")])
    return problems


def _place(transcript: Transcript) -> str:
    """Tell where the case was when it was ended; nothing for one that SIGTERM did not end."""
    if transcript.timed_out or transcript.stopped or transcript.status == -signal.SIGTERM:
        return render(str(transcript.output.with_name(STACK_DUMP)))
    return ""


def _left_behind(transcript: Transcript) -> list[str]:
    if not transcript.left_behind:
        return []
    return [f"leaked: {', '.join(map(printable, transcript.left_behind))}; cleared"]


def cannot_start(path: Path, error: OSError) -> str:
    """Return why the case at *path* cannot be started."""
    if isinstance(error, PermissionError):
        return f"{path}: not executable; chmod +x it"
    if error.errno not in (errno.ENOENT, errno.ENOEXEC):  # it is not its first line
        return f"{path}: cannot be started: {error.strerror}"
    first = b""
    with suppress(OSError), path.open("rb") as file:  # it may be gone
        first = file.readline(200)
    why = (
        "its first line ends in a carriage return"
        if first.endswith(b"\r\n")
        else ("has its first line a #! that is there?")
    )
    return f"{path}: cannot be started: {error.strerror}; {why}"
