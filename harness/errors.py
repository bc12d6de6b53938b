"""The one error that ends a run before it begins."""

from collections.abc import Iterable
from difflib import get_close_matches


class UsageError(Exception):
    """Something that a person gave is wrong. The message is one line; exit status 2."""


def suggest(word: str, known: Iterable[str]) -> str:
    """Return ``; did you mean 'rw'?`` for the known word nearest to *word*, or nothing."""
    near = get_close_matches(word, list(known), n=1, cutoff=0.5)
    return f"; did you mean {near[0]!r}?" if near else ""
