# SPDX-License-Identifier: GPL-2.0-or-later
"""The table of qemu-io's commands."""

from __future__ import annotations

# name: (other name, fewest, most arguments, argument help, what it does)
COMMANDS: dict[str, tuple[str, int, int, str, str]] = {
    "alloc": ("a", 1, 2, "offset [count]", "checks if offset is allocated in the file"),
    "close": ("c", 0, 0, "", "close the current open file"),
    "discard": ("d", 2, -1, "[-Cq] off len", "discards a number of bytes at a specified offset"),
    "flush": ("f", 0, 0, "", "flush all in-core file state to disk"),
    "info": ("i", 0, 0, "", "prints information about the current file"),
    "length": ("l", 0, 0, "", "gets the length of the current file"),
    "map": ("", 0, 0, "", "prints the allocated areas of a file"),
    "open": ("o", 1, -1, "[-rsCnkU] [-t cache] [-d discard] [-o options] [path]",
             "open the file specified by path"),
    "quit": ("q", 0, -1, "", "exit the program"),
    "read": ("r", 2, -1, "[-abCqv] [-P pattern [-s off] [-l len]] off len",
             "reads a number of bytes at a specified offset"),
    "reopen": ("", 0, -1, "[(-r|-w)] [-c cache] [-o options]",
               "reopens an image with new options"),
    "truncate": ("t", 1, 3, "[-m prealloc_mode] off",
                 "truncates the current file at the given offset"),
    "write": ("w", 2, -1, "[-bcCfnquz] [-P pattern | -s source_file] off len",
              "writes a number of bytes at a specified offset"),
}  # fmt: skip
NOT_SERVED = (
    "abort", "aio_flush", "aio_read", "aio_write", "break", "help", "?", "readv", "remove_break",
    "resume", "sigraise", "sleep", "wait_break", "writev",
)  # fmt: skip
