# SPDX-License-Identifier: GPL-2.0-or-later
"""What a run says of cases with tasks that run in parallel: that pass, fail, hang, cannot run."""

import re

import tiny
from goldlock import Case, run


def main(case: Case) -> None:
    tiny.run(case, tiny.copy(case, "tasks"), also=processes)


def processes(text: str) -> str:
    """Blank out which Python runs, and what a process was doing at that moment."""
    text = re.sub(r"^( +(?:task \d: )?)\S*/python\S* ", r"\1PYTHON ", text, flags=re.M)
    return re.sub(r"(\(pid PID\)), (?:running|sleeping)$", r"\1, STATE", text, flags=re.M)


run(main)
