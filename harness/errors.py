"""What can go wrong, and is a person's to mend."""

from collections.abc import Iterable


class UsageError(Exception):
    """Something that a person gave is wrong. The message is one line; exit status 2."""


class CaseError(Exception):
    """A case cannot go on; the message says which program did what."""


class NotRun(Exception):
    """A case cannot run here; the message says why."""


def suggest(word: str, known: Iterable[str]) -> str:
    """Return ``; did you mean 'rw'?`` for the known word nearest to *word*, or nothing."""
    from difflib import get_close_matches  # only for those who slipped

    near = get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f"; did you mean {near[0]!r}?" if near else ""
