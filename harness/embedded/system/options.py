# SPDX-License-Identifier: GPL-2.0-or-later
"""The command line of the system emulator: what is served, taken without effect, or refused."""

from __future__ import annotations

from goldlock.embedded.common.report import BlockError, not_served

_HELP = """\
usage: {name} [options]
The embedded system emulator of goldlock: QEMU's block layer, locks and monitors, no guest.

Options served:
  -drive file=F,if=none[,id=ID][,format=qcow2|raw][,read-only=on|off][,force-share=on|off]
         [,node-name=N][,media=disk|cdrom][,file.locking=on|off|auto]
  -blockdev driver=D,node-name=N,...
  -device virtio-blk|virtio-blk-pci|ide-cd,drive=ID[,id=ID][,share-rw=on|off]
  -monitor stdio|none|unix:PATH[,server=on][,wait=off]      -qmp stdio|none|unix:PATH...
  -chardev stdio,id=C | socket,id=C,path=PATH[,server=on][,wait=off]
  -mon chardev=C,mode=control|readline    -nographic    -S    -pidfile FILE
  -nodefaults    -no-user-config    -display none    -machine none|pc|q35    -accel tcg|qtest
  -serial none|null    -parallel none|null    -h, --help    --version
Monitor commands: see `query-commands`. `migrate` to exec:COMMAND hands over the images, not
  a guest: the command's input is empty.
A guest, or any other option, value, device or command,
is not served by the embedded programs: each is refused by name, with exit status 1.
"""
# Options of which these values are served, because they say what is so anyhow.
_FIXED = {
    "display": ("none",), "machine": ("none", "pc", "q35"), "M": ("none", "pc", "q35"),
    "accel": ("tcg", "qtest", "help"), "serial": ("none", "null"), "parallel": ("none", "null"),
}  # fmt: skip
_FLAGS = ("nodefaults", "no-user-config")
_SERVED = ("drive", "blockdev", "device", "monitor", "qmp", "chardev", "mon", "pidfile")
_ACCELERATORS = "Accelerators supported in QEMU binary:\ntcg\n"


class Configuration:
    """The command line, sorted by what it is about."""

    def __init__(self) -> None:
        self.values: dict[str, list[tuple[str, str]]] = {name: [] for name in _SERVED}
        self.channels: list[tuple[str, str, str]] = []
        self.nographic = False
        self.paused = False
        self.machine = ""
        self.answer = ""

    def add(self, name: str, spelled: str, value: str) -> None:
        """Keep an option and how it was spelled, which its error messages begin with."""
        self.values[name].append((f"{spelled} {value}", value))
        if name in ("monitor", "qmp", "chardev"):  # the order among these matters
            self.channels.append((name, f"{spelled} {value}", value))


def parse(words: list[str], name: str) -> Configuration:
    """Sort the command line; BlockError names what is unknown or not served."""
    found = Configuration()
    at = 0
    while at < len(words):
        word = words[at]
        at += 1
        option = word.lstrip("-") if word[:1] == "-" and word not in ("-", "--") else ""
        if option in ("h", "help"):
            not_served("QEMU's help text")  # a case that shows it is not run
            found.answer = _HELP.format(name=name)
        elif option == "version":
            found.answer = "QEMU emulator version 7.2.22 (embedded programs of goldlock)\n"
        elif option == "nographic":
            found.nographic = True
        elif option == "S":
            found.paused = True
        elif option in _FIXED or option in _SERVED:
            if at >= len(words):
                raise BlockError(f"{word}: requires an argument")
            _take(found, word, option, words[at])
            at += 1
        elif option not in _FLAGS:
            what = f"Option '{word}'" if option else f"A disk image without -drive ('{word}')"
            raise not_served(what)
    if found.nographic and not found.values["monitor"] and not found.values["qmp"]:
        raise not_served("-nographic without -monitor or -qmp")
    return found


def _take(found: Configuration, word: str, option: str, value: str) -> None:
    if option in _FIXED:
        if value not in _FIXED[option]:
            raise not_served(f"Option '{word} {value}'")
        if option in ("machine", "M"):
            found.machine = value
        elif value == "help":
            found.answer = _ACCELERATORS
        return
    if value in ("help", "?"):
        raise not_served(f"Option '{word} {value}'")
    found.add(option, word.removeprefix("-") if word.startswith("--") else word, value)
