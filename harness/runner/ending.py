# SPDX-License-Identifier: GPL-2.0-or-later
"""What is told of how a case ended, beside what it printed."""

import signal
from collections.abc import Sequence
from pathlib import Path

from goldlock import safe_open
from goldlock.environment import FAILURE_REPORT, NOTRUN_STATUS, STACK_DUMP
from goldlock.inspect.stack_dump import render
from goldlock.result import CaseResult
from goldlock.runner.process import Transcript
from goldlock.text import printable, shorten

NOT_SERVED = "not-served"
"""A file beside the output: a line for each thing that the embedded programs have refused."""

_TOO_LARGE = 8 * 1024 * 1024


def put_down(result: CaseResult, transcript: Transcript, found: Sequence[str]) -> None:
    """Put down in *result* how a case ended, with what was *found* wrong beside its output."""
    result.seconds = round(transcript.seconds, 6)
    if transcript.status == NOTRUN_STATUS and not (transcript.timed_out or transcript.stopped):
        said = tail(transcript.output, 1).strip()
        result.reason = said or f"it ended with status {NOTRUN_STATUS}, and did not say why"
        result.problems = [*_left_behind(transcript), *found]
        return
    if refused := safe_open.text(transcript.output.with_name(NOT_SERVED)).splitlines():
        listed = "; ".join(dict.fromkeys(refused))
        result.reason = f"not served by the embedded programs: {listed}"
        result.problems = [*_left_behind(transcript), *found]
        return
    result.problems = [*_problems(transcript), *found]
    result.completed = not result.problems


def add_last_words(result: CaseResult, transcript: Transcript) -> None:
    """Say what it printed last, where it failed and the golden shows no difference."""
    if transcript.status and not any(c.got for each in result.failing for c in each.changes):
        result.problems.append(f"last output:\n{tail(transcript.output) or '    nothing'}")


def _problems(transcript: Transcript) -> list[str]:
    """Say what was wrong with how a case ended."""
    problems = []
    if transcript.timed_out:
        problems.append(
            f"time limit: the case was still running after {transcript.limit:g} s, and was"
            " ended; '# timeout: SECONDS' in its header, or --time-limit, gives it more"
            f"\nprocess tree:\n{transcript.situation}"
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
        seen = _seen(transcript.output.with_name(FAILURE_REPORT))
        problems += filter(None, [_place(transcript), seen])
    return problems


def _place(transcript: Transcript) -> str:
    """Tell where the case was when it was ended; nothing for one that SIGTERM did not end."""
    if transcript.timed_out or transcript.stopped or transcript.status == -signal.SIGTERM:
        return render(str(transcript.output.with_name(STACK_DUMP)))
    return ""


def _seen(situation: Path) -> str:
    try:
        with safe_open.open_file(situation) as file:
            return file.read(_TOO_LARGE).decode("utf-8", "replace").rstrip("\n")
    except OSError:  # mostly there is none
        return ""


def _left_behind(transcript: Transcript) -> list[str]:
    if not transcript.left_behind:
        return []
    return [f"leaked: {', '.join(map(printable, transcript.left_behind))}; cleared"]


def _signal_name(number: int) -> str:
    names = {each.value: each.name for each in signal.Signals}
    return names.get(number, str(number))  # signals for real-time use have no names


def tail(path: Path, count: int = 10) -> str:
    """Return the last lines of a file, for a person."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 100_000))
        lines = file.read().decode("utf-8", "surrogateescape").split("\n")
    last = [line for line in lines if line.strip()][-count:]
    return "\n".join(f"    {shorten(line.rstrip())}" for line in last)
