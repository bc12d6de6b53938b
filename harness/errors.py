# SPDX-License-Identifier: GPL-2.0-or-later
"""What can go wrong, and is a person's to mend."""

from collections.abc import Callable, Iterable


class UsageError(Exception):
    """Something that a person gave is wrong. The message is one line; exit status 2."""


class NotFoundError(UsageError):
    """A case, or a suite, that is not there: *word*, or any, may be another word with a slip."""

    def __init__(self, message: str, word: str = "") -> None:
        super().__init__(message)
        self.word = word


class CaseError(Exception):
    """A case cannot go on; the message says which program did what."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        capture_context(self)


class NotRun(Exception):
    """A case cannot run here; the message says why."""


_context_hooks: list[Callable[[], str]] = []


def set_context_hook(hook: Callable[[], str]) -> None:
    """Have *hook* tell what there is to see whenever something has failed."""
    _context_hooks[:] = [hook]


def capture_context(error: BaseException) -> None:
    """Note with a failure what there is to see at this moment, before it is cleaned up.

    The first look counts, and is at what is worth it: an error, not a case that cannot run.
    """
    failed = isinstance(error, Exception) and not isinstance(error, NotRun)
    if failed and _context_hooks and not hasattr(error, "context"):
        error.context = _context_hooks[0]()  # type: ignore[attr-defined] # it is found there again


def context_of(error: BaseException) -> str:
    """Return what was noted with a failure."""
    return str(getattr(error, "context", ""))


def choice(word: str, known: Iterable[str]) -> str:
    """Return what `suggest` does, and all that is known: ``; there are: ro, rw``."""
    known = list(known)
    near = suggest(word, known)
    return f"{near}{' There are' if near else '; there are'}: {', '.join(known) or 'none'}"


def check_known(kind: str, word: str, known: Iterable[str]) -> None:
    """Raise UsageError for a *word* that is none of its *kind*."""
    known = list(known)
    if word not in known:
        raise UsageError(f"unknown {kind} {word!r}{choice(word, known)}")


def suggest(word: str, known: Iterable[str]) -> str:
    """Return ``; did you mean 'rw'?`` for the known word nearest to *word*, or nothing."""
    from difflib import get_close_matches  # only for those who slipped

    near = get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f"; did you mean {near[0]!r}?" if near else ""
