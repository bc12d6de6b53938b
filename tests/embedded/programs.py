# SPDX-License-Identifier: GPL-2.0-or-later
"""Starting the embedded programs and the real ones alike, and seeing what they do."""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
MODULES = {
    "qemu-img": "img",
    "qemu-io": "io",
    "qemu-system-x86_64": "system",
}
REAL = {name: shutil.which(name) for name in MODULES}
STRACE = shutil.which("strace")
WHY_NO_REAL = "needs Debian's qemu-utils and qemu-system-x86"
HAVE_REAL = all(REAL[name] for name in ("qemu-img", "qemu-io", "qemu-system-x86_64"))
TIME_LIMIT = 20
QUIET = ("-nodefaults", "-display", "none", "-machine", "none")


@dataclass(frozen=True)
class Outcome:
    """What one run of a program showed."""

    status: int
    stdout: str
    stderr: str


def command(name: str, kind: str) -> list[str]:
    """Return the words that start program `name`: `real`, or `ours` as the harness starts it."""
    if kind == "real":
        found = REAL[name]
        assert found is not None
        return [found]
    start = (
        f"import sys; sys.path.insert(0, {str(ROOT / '.import')!r}); "
        f"from goldlock.embedded.{MODULES[name]}.main import main; "
        f"sys.exit(main([{name!r}, *sys.argv[1:]]))"
    )
    return [sys.executable, "-I", "-S", "-c", start]


def environment(policy: str = "elided") -> dict[str, str]:
    """Return the environment of a program: by default with the errno policy of the real ones."""
    return {**os.environ, "GOLDLOCK_ERRNO_POLICY": policy, "TZ": "UTC"}


def run(name: str, kind: str, *words: str, cwd: Path, stdin: str = "") -> Outcome:
    """Run a program to its end; the time limit is an error, never a result."""
    done = subprocess.run(
        [*command(name, kind), *words],
        cwd=cwd,
        env=environment(),
        input=stdin.encode(),
        capture_output=True,
        timeout=TIME_LIMIT,
        check=False,
    )
    return Outcome(
        done.returncode,
        done.stdout.decode(errors="replace"),
        done.stderr.decode(errors="replace"),
    )


_FILTERS = (
    (r"\d[\d:.]* (sec )?\([\d.]+ .*?sec\)", "TIME"),
    (r"Run completed in [\d.]+ seconds", "Run completed in TIME"),
    (r"\x1b\[[KD]", ""),
    (r"#block\d+", "#block"),
    (r"(disk size: ).*", r"\1SIZE"),
    (r"(\"actual-size\": )\d+", r"\1SIZE"),
    (r"QEMU 7\.2\.22 .*monitor", "QEMU monitor"),
)


def filtered(text: str) -> str:
    """Return a program's output without what differs from run to run."""
    for pattern, replacement in _FILTERS:
        text = re.sub(pattern, replacement, text)
    return text


_CALL = re.compile(
    r"fcntl\(\d+<([^>]*)>, F_OFD_(SETLK|GETLK), "
    r"\{l_type=F_(\w+), l_whence=SEEK_SET, l_start=(\d+), l_len=(\d+)[^}]*\}\) += (-?\d+)"
)


def lock_trace(name: str, kind: str, *words: str, cwd: Path, stdin: str = "") -> list[str]:
    """Return the lock calls of one run in order: file, call, kind, byte, result."""
    assert STRACE is not None
    log = cwd / f"strace.{kind}"
    subprocess.run(
        [STRACE, "-f", "-y", "-e", "trace=fcntl", "-o", str(log), *command(name, kind), *words],
        cwd=cwd,
        env=environment(),
        input=stdin.encode(),
        capture_output=True,
        timeout=TIME_LIMIT,
        check=False,
    )
    calls = []
    for path, call, lock, start, length, result in _CALL.findall(log.read_text()):
        calls.append(f"{Path(path).name} {call} {lock} {start}+{length} = {result}")
    return calls


def held_bytes(path: Path) -> list[str]:
    """Return the ranges that /proc/locks shows as locked on a file, in order."""
    inode = path.stat().st_ino
    held = []
    for line in Path("/proc/locks").read_text().splitlines():
        words = line.split()
        if "->" not in words and words[5].split(":")[2] == str(inode):
            held.append(f"{words[1]} {words[3]} {words[6]}-{words[7]}")
    return sorted(held)


class Holder:
    """A long-lived system emulator that holds images, driven over QMP on its standard streams."""

    def __init__(self, kind: str, *words: str, cwd: Path) -> None:
        self.process = subprocess.Popen(
            [*command("qemu-system-x86_64", kind), *QUIET, *words, "-qmp", "stdio"],
            cwd=cwd,
            env=environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        # The greeting comes after the drives were opened.
        self.greeting = self.process.stdout.readline()

    def say(self, text: str) -> str:
        """Send a line and return the line that answers it."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(text.encode() + b"\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().decode()

    def kill(self) -> None:
        """Kill it as the kernel's memory killer would, and wait for its end."""
        self.process.kill()
        self.process.communicate()

    def quit(self) -> int:
        """Ask it to quit and return its exit status."""
        quit_lines = b"{'execute':'qmp_capabilities'}{'execute':'quit'}\n"
        self.process.communicate(quit_lines, timeout=TIME_LIMIT)
        return self.process.returncode
