# SPDX-License-Identifier: GPL-2.0-or-later
"""What the commands of qemu-img share: opening by their options, and numbers."""

from __future__ import annotations

from goldlock.embedded.block.locks import ALL
from goldlock.embedded.block.registry import SERVED, unknown_driver
from goldlock.embedded.common import getopt, report
from goldlock.embedded.common import options as opts
from goldlock.embedded.common.getopt import Arguments
from goldlock.embedded.common.options import Options
from goldlock.embedded.common.report import BlockError, not_served
from goldlock.embedded.image.backend import Image, open_image
from goldlock.embedded.image.open_node import Flags

_PLAIN_CACHE = ("writeback", "writethrough", "unsafe")


class Help(Exception):
    """The help text is asked for."""


def parse(command: str, words: list[str], short: str, long: tuple[str, ...] = ()) -> Arguments:
    """Read a command's words; what QEMU has and we have not is refused by name.

    `short` is getopt's string, `long` has names with `=` where a value follows; what is
    behind a `!` is not served.
    """
    served, _, refused = short.partition("!")
    long = ("help", "!object=", *long)
    given = getopt.parse(words, f"h{served}{refused}", tuple(name.lstrip("!") for name in long))
    names = {f"-{letter}" for letter in refused if letter != ":"}
    names |= {f"--{name.strip('!=')}" for name in long if name.startswith("!")}
    for option, _ in given.options:
        if option in ("-h", "--help"):
            raise Help
        if option in names:
            raise not_served(f"Option '{option}' of {command}")
    return given


def one_image(arguments: Arguments) -> str:
    """Return the one operand of most commands."""
    if len(arguments.operands) != 1:
        raise getopt.UsageError("Expecting one image file name")
    return arguments.operands[0]


def output_format(arguments: Arguments) -> str:
    """Return the form of what is shown (--output): human or json."""
    output = arguments.last("--output") or "human"
    if output not in ("human", "json"):
        raise BlockError("--output must be used with human or json as argument.")
    return output


def check_cache_mode(mode: str | None, what: str = "cache") -> None:
    """Check a cache mode (-t, -T); those that are served have no effect on the page cache."""
    if mode in ("none", "off", "directsync"):
        raise not_served(f"Cache mode '{mode}'")
    if mode is not None and mode not in _PLAIN_CACHE:
        raise BlockError(f"Invalid {what} option: {mode}")


def option_list(arguments: Arguments) -> Options:
    """Return the options that all -o together give."""
    texts = arguments.all("-o")
    for text in texts:
        parts = opts.split(text)
        if any(not part or part.startswith(",") for part in parts):
            report.error(f"Invalid option list: {text}")
            raise Reported
        for part in parts:
            if part in ("help", "?"):
                raise not_served("-o help")
    return opts.parse(",".join(texts))


def open_one(  # noqa: PLR0913 - switches, each named
    filename: str, arguments: Arguments, flags: Flags, *, fmt: str | None = None,
    resize: bool = False, shared: int = ALL,
) -> Image:  # fmt: skip
    """Open the image a command is about; BlockError begins with `Could not open`."""
    image_opts = arguments.has("--image-opts")
    if image_opts and fmt is not None:
        raise BlockError("--image-opts and --format are mutually exclusive")
    options: Options = {}
    name: str | None = filename
    force_share = flags.force_share
    if image_opts:
        options = opts.parse(filename, "file")
        name = None
        if force_share and not opts.switch("force-share", options.get("force-share", "on")):
            raise BlockError("--force-share/-U conflicts with image options")
    elif fmt is not None:
        options["driver"] = fmt
    try:
        if fmt is not None and fmt not in SERVED:
            raise unknown_driver(fmt)
        return open_image(name, options, flags, resize=resize, shared=shared)
    except BlockError as failure:
        raise failure.prefixed(f"Could not open '{filename}': ") from None


def target_format(arguments: Arguments) -> str:
    """Return the format that -O says; raw without."""
    fmt = arguments.last("-O")
    return "raw" if fmt is None else fmt


def number(what: str, text: str, maximum: int = (1 << 63) - 1, least: int = 0) -> int:
    """Return a size given on the command line; else say what is wrong with it: Reported."""
    value = opts.size(text)
    if value is not None and least <= value <= maximum:
        return value
    if value is not None or _too_large(text):
        report.error(f"Invalid {what} specified. Must be between {least} and {maximum}.")
    else:
        report.error(f"Invalid {what} specified. You may use k, M, G, T, P or E suffixes for")
        report.error("kilobytes, megabytes, gigabytes, terabytes, petabytes and exabytes.")
    raise Reported


def _too_large(text: str) -> bool:
    digits = text[:-1] if text[-1:] in "bkmgtpeBKMGTPE" else text
    return digits.isdecimal() and digits.isascii()


class Reported(Exception):
    """A failure whose message is out already: exit status 1."""
