# SPDX-License-Identifier: GPL-2.0-or-later
"""Run QEMU's suite on the QEMU of other Debian releases, and on this system's, and compare them.

    python -m tests.versions [RELEASE ...] [-- OPTION OF run_tests.py ...]

The packages of a release are downloaded with apt, and unpacked into a folder of their own: no
root, no chroot, nothing is built, nothing of this system is changed. What is there already is
used again; --anew takes the newest packages. The mirror is that of this system.
"""

import argparse
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parents[2]
KNOWN = ("bullseye", "bookworm", "trixie", "forky", "sid")
RELEASES = ("bullseye", "trixie", "sid")
PACKAGES = ("qemu-utils", "qemu-system-x86")
PROGRAMS = ("qemu-img", "qemu-io", "qemu-nbd", "qemu-storage-daemon", "qemu-system-x86_64")
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
_LOADER = "usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2"


class Failed(Exception):
    """What cannot be done; one line."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise Failed(f"{message}; for run_tests.py: after --")


def main(arguments: Sequence[str]) -> int:
    """Install what is missing, run the suite on each, and compare; return 1 if a case failed."""
    at = arguments.index("--") if "--" in arguments else len(arguments)
    parser = _Parser(prog="python -m tests.versions", description=__doc__)
    parser.add_argument("releases", nargs="*", metavar="RELEASE", help=", ".join(KNOWN))
    parser.add_argument("--folder", type=Path, default=Path.home() / ".cache/goldlock/qemu")
    parser.add_argument("--anew", action="store_true", help="download and unpack once more")
    try:
        options = parser.parse_args(arguments[:at])
        releases = options.releases or RELEASES
        if unknown := [each for each in releases if each not in KNOWN]:
            raise Failed(f"unknown release {unknown[0]!r}; there are: {', '.join(KNOWN)}")
        builds = {
            each: installed(options.folder.absolute(), each, anew=options.anew)
            for each in dict.fromkeys(releases)
        }
    except (Failed, OSError) as error:
        print(f"tests.versions: {error}", file=sys.stderr)
        return 2
    if own := shutil.which("qemu-img"):
        release = platform.freedesktop_os_release().get("VERSION_CODENAME", "own")
        builds.setdefault(release, Path(own).parent)
    oldest_first = sorted(builds, key=(*KNOWN, *builds).index)
    named = ",".join(f"{name}={builds[name]}" for name in oldest_first)
    chosen = ["--matrix", named] if len(builds) > 1 else ["--build", *map(str, builds.values())]
    command = [sys.executable, str(ROOT / "run_tests.py"), *chosen, "--require", "qemu"]
    return subprocess.run([*command, *arguments[at + 1 :]], check=False).returncode


def installed(folder: Path, release: str, *, anew: bool = False) -> Path:
    """Return the folder with the programs of a release, below *folder*; install them if need be."""
    root = folder / release
    programs = root / "usr" / "bin"
    done = root / "installed"  # made last: a half of them is none
    if anew or not done.exists() or done.read_text() != " ".join(PROGRAMS):
        shutil.rmtree(root, ignore_errors=True)
        _unpack(_download(folder / f"{release}.apt", release), root)
        for name in PROGRAMS:
            _relocate(programs / name, root)
        done.write_text(" ".join(PROGRAMS))
    return programs


def _download(state: Path, release: str) -> list[Path]:
    """Download the packages of a release, with all that they depend on; return their files."""
    for each in ("lists/partial", "archives/partial"):
        (state / each).mkdir(parents=True, exist_ok=True)
    (state / "status").touch()
    sources = state / "sources.list"
    sources.write_text(f"deb [signed-by={KEYRING}] {mirror()} {release} main\n")
    apt = ["apt-get", "-qq", "-o", f"Dir::State={state}", "-o", f"Dir::Cache={state}"]
    apt += ["-o", f"Dir::State::status={state}/status", "-o", f"Dir::Etc::SourceList={sources}"]
    apt += ["-o", "Dir::Etc::SourceParts=-", "-o", "APT::Sandbox::User="]
    apt += ["-o", "APT::Get::List-Cleanup=false", "-o", "Debug::NoLocking=true"]
    do([*apt, "update"])
    shutil.rmtree(state / "archives")
    (state / "archives/partial").mkdir(parents=True)
    install = ["install", "--download-only", "--yes", "--no-install-recommends", *PACKAGES]
    do([*apt, *install])
    return sorted((state / "archives").glob("*.deb"))


def mirror() -> str:
    """Return the address that this system's packages come from."""
    files = [Path("/etc/apt/sources.list"), *Path("/etc/apt/sources.list.d").glob("*")]
    text = "\n".join(path.read_text() for path in files if path.is_file())
    found = re.search(r"^(?:URIs:|deb(?: \[.*?\])?) *(\S+?/debian/?)(?:\s|$)", text, re.M)
    if not found:
        raise Failed("no mirror of Debian's packages in /etc/apt/sources.list")
    return found[1]


def do(command: Sequence[str | Path], folder: Path | None = None) -> None:
    """Run a command in a folder; raise Failed, with the last that it said, when it fails."""
    done = subprocess.run(
        command, cwd=folder, stdout=sys.stderr, stderr=subprocess.PIPE, text=True, check=False
    )
    if done.returncode:
        said = done.stderr.strip().split("\n")[-1]
        raise Failed(f"{command[0]} failed: {said or f'exit status {done.returncode}'}")


def _unpack(packages: Sequence[Path], root: Path) -> None:
    # Where /usr is merged, /lib is a link that no package brings.
    for name in ("bin", "lib", "lib64", "sbin"):
        (root / "usr" / name).mkdir(parents=True)
        (root / name).symlink_to(f"usr/{name}")
    for package in packages:
        archive = subprocess.run(
            ["dpkg", "--fsys-tarfile", package], stdout=subprocess.PIPE, check=True
        )
        tar = ["tar", "--extract", "--keep-directory-symlink", "--no-same-owner", "-C", root]
        subprocess.run(tar, input=archive.stdout, check=True)


def _relocate(program: Path, root: Path) -> None:
    """Let a program take its loader and libraries from *root*."""
    libraries = root / "usr/lib/x86_64-linux-gnu"
    path = os.pathsep.join(map(str, (libraries, libraries / "pulseaudio")))
    patch = ["patchelf", "--set-interpreter", root / _LOADER, "--force-rpath", "--set-rpath", path]
    do([*patch, program])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
