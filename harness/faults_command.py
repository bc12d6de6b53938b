# SPDX-License-Identifier: GPL-2.0-or-later
"""The command ``goldlock faults``: `goldlock.lockcalls.command`, and ``--suite DIR``.

That knows no suite: one is read here, for a person, and handed on in the environment, where the
programs below find it, too, so that in a shell under a supervisor the words are known.
"""

import os

from goldlock.lockcalls import command, complaints


def main(argv: list[str]) -> int:
    """Do what the arguments say; return the exit status."""
    at = argv.index("--") if "--" in argv else len(argv)
    rest: list[str] = []
    words = iter(argv[:at])
    for word in words:
        option, equals, value = word.partition("=")
        if option != "--suite":
            rest.append(word)
        elif problem := _take(value if equals else next(words, "")):
            complaints.complain(problem)
            return 2
    return command.main(rest + argv[at:])


def _take(folder: str) -> str:
    """Have the words of a suite known; return what is wrong with it, or nothing."""
    if not folder:
        return "--suite: expected a value"
    from pathlib import Path  # with what follows, only for those who have a suite

    from goldlock.errors import UsageError
    from goldlock.suite.lock_words import variables

    try:
        os.environ.update(variables(Path(folder)))
    except UsageError as error:
        return str(error)
    return ""
