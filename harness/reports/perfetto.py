# SPDX-License-Identifier: GPL-2.0-or-later
"""The lock calls of some processes in the trace event format, which Chrome and Perfetto show."""

import json
from typing import Any

from goldlock.lockcalls.history import History
from goldlock.lockcalls.words import range_text


def document(history: History) -> str:
    """Return the JSON text: a track for each process and range of a file, times in microseconds."""
    if not history.rows:
        return '{"traceEvents": []}\n'
    times = [row.time / 1000 for row in history.rows]
    events: list[dict[str, Any]] = [
        {"ph": "M", "name": "process_name", "pid": pid, "args": {"name": name}}
        for pid, name in history.programs.items()
    ]
    tracks: dict[tuple[int, str], int] = {}
    for hold in history.holds:
        where = (
            "" if hold.system == "flock" else f" {hold.name or range_text(hold.first, hold.last)}"
        )
        name = f"{hold.path.rpartition('/')[2]}{where}"
        track = tracks.setdefault((hold.pid, name), len(tracks) + 1)
        end = times[-1] if hold.until is None else times[min(hold.until, len(times) - 1)]
        event = {"ph": "X", "name": f"{name}, {hold.kind}", "pid": hold.pid, "tid": track}
        args = {"file": hold.path, "system": hold.system, "end is known": hold.sure}
        events.append(
            {**event, "ts": times[hold.since], "dur": end - times[hold.since], "args": args}
        )
    for (pid, name), track in tracks.items():
        event = {"ph": "M", "name": "thread_name", "pid": pid, "tid": track}
        events.append({**event, "args": {"name": name}})
    for row, time in zip(history.rows, times, strict=True):
        if row.mark in ("refused", "waits", "injected"):
            by = [f"{history.programs[pid]} (pid {pid})" for pid in row.by]
            event = {"ph": "i", "s": "p", "name": row.text, "pid": row.pid, "tid": 0, "ts": time}
            events.append({**event, "args": {"by": by}})
    return json.dumps({"traceEvents": events}) + "\n"
