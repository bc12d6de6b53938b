# SPDX-License-Identifier: GPL-2.0-or-later
"""What a log of ``strace -f -y -e CALLS`` says, in the words of a trace.

Files have but their names, and what a program makes up of them is X. strace overwrites the kind
of lock that was asked about by the answer, and cannot tell whether an open has made its file.
"""

import re
from collections.abc import Iterator

CALLS = (
    "trace=fcntl,flock,open,openat,openat2,creat,/^(sym)?link,/^unlink,/^rename,/^mkdir,rmdir,"
    "io_uring_setup"
)

_CALL = re.compile(r"\d+ +(\w+)\((.*)\) += (-?\w+)\S*(?: (E\w+))?")
_UNFINISHED = " <unfinished ...>"
_BEGUN = re.compile(rf"(\d+) .*{re.escape(_UNFINISHED)}")
_RESUMED = re.compile(r"(\d+) +<\.\.\. \w+ resumed>")
_FD = re.compile(r"\d+<([^<>]+)")
_RECORD = re.compile(r"l_type=F_(\w+), l_whence=SEEK_SET, l_start=(\d+), l_len=(\d+)")
_KINDS = {"RDLCK": ", read", "WRLCK": ", write", "UNLCK": ""}
_FLOCKS = {
    "LOCK_SH": "flock {}, shared",
    "LOCK_EX": "flock {}, exclusive",
    "LOCK_UN": "flock unlock {}",
}


def lines(log: str) -> Iterator[str]:
    """Yield a line for each lock call, up to its result as a trace has it."""
    begun: dict[str, str] = {}
    for each in log.splitlines():
        line = each
        if first := _BEGUN.fullmatch(line):  # another process had the word before the result
            begun[first[1]] = first[0].removesuffix(_UNFINISHED)
        elif rest := _RESUMED.match(line):
            line = f"{begun.pop(rest[1])}{line[rest.end() :]}"
        found = _CALL.match(line)
        if not found:
            continue
        call, words, returned, error = found.groups()
        result = error if returned == "-1" else "ok"
        if call == "fcntl":
            told = _fcntl(words, result)
        elif call == "flock":
            told = f"{_flock(words)}: {result}"
        elif call == "io_uring_setup":
            told = "io_uring: what it does by it is unseen"
        else:
            told = _file_call(call, words, result)
        if told:
            yield told


def name(path: str) -> str:
    """Return the name of a file, with X for what was made up."""
    return re.sub(r"tmp_obj_\w+|\.lk[^ /:]+", "X", path.rstrip("/").rpartition("/")[2])


def _file(words: str) -> str:
    found = _FD.match(words)
    assert found, words
    return f"of {name(found[1])}"


def _flock(words: str) -> str:
    kind, *no_wait = words.rpartition(", ")[2].split("|")
    waits = "" if no_wait or kind == "LOCK_UN" else " waiting"
    return _FLOCKS[kind].format(_file(words)) + waits


def _fcntl(words: str, result: str) -> str:
    command = re.search(r", F_(?:OFD_)?(SETLKW?|GETLK|SETLEASE)\b", words)
    if not command:
        return ""
    if command[1] == "SETLEASE":
        kind = words.rpartition("F_")[2]
        return f"lease{' unlock' if kind == 'UNLCK' else ''} {_file(words)}{_KINDS[kind]}: {result}"
    record = _RECORD.search(words)
    assert record, words
    kind, start, length = record[1], int(record[2]), int(record[3])
    where = _range(start, length)
    file = _file(words)
    posix = "" if "F_OFD_" in words else " posix"
    if command[1] == "GETLK":
        told = "free" if kind == "UNLCK" else "held"
        call = "probe" if file == "of null" else f"test {where}"
        return f"{call} {file}{', write' if call == 'probe' else ''}{posix}: {told}"
    if file == "of lock.mdb" and start > 1:
        where = "PID"
    call = "unlock" if kind == "UNLCK" else "lock"
    waits = " waiting" if command[1] == "SETLKW" else ""
    return f"{call} {where} {file}{_KINDS[kind]}{posix}{waits}: {result}"


def _range(start: int, length: int) -> str:
    if not length:
        return f"{start}-" if start else "all"
    return str(start) if length == 1 else f"{start}-{start + length - 1}"


def _file_call(call: str, words: str, result: str) -> str:
    if "open" in call and "O_EXCL" not in words:
        return ""
    call = call.removesuffix("2").removesuffix("at").replace("open", "create")
    call = "rmdir" if "AT_REMOVEDIR" in words else call
    names = re.findall(r'"([^"]*)"', words)
    names = names[1:] if call == "symlink" else names
    return f"{call} {' to '.join(map(name, names))}: {result}"


def plain(line: str) -> str:
    """Return a line of a trace as `lines` has it, or nothing: strace cannot tell of it."""
    call = line.partition(": ")[2]
    call = re.sub(r" \((?:created by|held by|open in) [^)]*\)$", "", call)
    if call.startswith("open "):
        return ""
    call = re.sub(r"(?:TEST_DIR)?/(?:[^/ ,:]+/)*", "", call)
    call = re.sub(r"tmp_obj_\w+|\.lk[^ /:]+", "X", call)
    call = re.sub(r"\b\d\d+ of lock.mdb", "PID of lock.mdb", call)
    return re.sub(r"^(test .*), \w+", r"\1", call)
