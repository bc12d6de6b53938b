# SPDX-License-Identifier: GPL-2.0-or-later
"""How a case ends: what is said of it, and the exit status that tells the runner."""

from collections.abc import Callable

from goldlock.environment import NOTRUN_STATUS
from goldlock.errors import CaseError, NotRun, capture_context, context_of


def run_and_report(
    main: Callable[[], object],
    script: str,
    show: Callable[[str], None],
    keep: Callable[[str], None],
) -> int:
    """Run *main*, of the file *script*; return the exit status for its process.

    0 when it came to its end, 77 when it could not run here, 1 when something went wrong, with
    one line that names the script's line. Raises what is no CaseError, for Python to print its
    traceback. *show* gets the line, *keep* what there was to see at that moment.
    """
    try:
        main()
    except NotRun as reason:
        show(str(reason))
        return NOTRUN_STATUS
    except CaseError as error:
        keep(context_of(error))
        show(f"{script}:{_line(error, script)}: {error}")
        return 1
    except Exception as error:
        capture_context(error)
        keep(context_of(error))
        raise
    return 0


def _line(error: BaseException, script: str) -> int:
    """Return the line of the script that an error came from, or that called what it came from."""
    import traceback  # takes a tenth of what a case takes to start

    frames = [*traceback.extract_stack(), *traceback.extract_tb(error.__traceback__)]
    return next((frame.lineno or 0 for frame in reversed(frames) if frame.filename == script), 0)
