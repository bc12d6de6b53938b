# SPDX-License-Identifier: GPL-2.0-or-later
"""The command line of the system emulator: what is served, taken without effect, or refused."""

from __future__ import annotations

from goldlock.embedded.common.report import BlockError, not_served

_HELP = """\
usage: {name} [options]
The embedded system emulator of goldlock: QEMU's block layer, locks and monitors, no guest.

Options served:
  -drive file=F[,if=none][,id=ID][,format=qcow2|raw][,read-only=on|off][,force-share=on|off]
         [,node-name=N][,file.locking=on|off|auto]
  -blockdev driver=D,node-name=N,...      -device virtio-blk[,drive=ID][,id=ID][,share-rw=on]
  -monitor stdio|none|unix:PATH[,server=on][,wait=off]      -qmp stdio|none|unix:PATH...
  -chardev stdio,id=C | socket,id=C,path=PATH[,server=on][,wait=off]
  -mon chardev=C,mode=control|readline    -nographic (the monitor on stdio)    -S
  -pidfile FILE    -h, --help    --version
Taken, without effect: -nodefaults -no-user-config -display -machine -accel -serial -parallel
  -m -smp -cpu -name -uuid -vga -qtest -qtest-log -nic -net -msg -no-shutdown -no-reboot -rtc
Monitor commands: see `query-commands` and `help`. `migrate` to exec:COMMAND hands over the
  images, not a guest: the command's input is empty. Other ways to migrate are refused by name.
Not served: guests, any other device on a drive, -daemonize, -snapshot, -object, -incoming,
  -netdev, -fsdev, -readconfig and all further options; each is refused by name, exit status 1.
"""
_IGNORED = ("display", "machine", "M", "accel", "serial", "parallel", "m", "smp", "cpu", "name",
            "uuid", "vga", "qtest", "qtest-log", "nic", "net", "msg", "rtc", "boot", "D", "d",
            "trace", "k", "watchdog-action", "sandbox", "global")  # fmt: skip
_FLAGS = ("nodefaults", "no-user-config", "nodefconfig", "no-shutdown", "no-reboot", "enable-kvm")
_SERVED = ("drive", "blockdev", "device", "monitor", "qmp", "chardev", "mon", "pidfile")
_NOT_SERVED = ("daemonize", "snapshot", "object", "incoming", "netdev", "fsdev", "readconfig",
               "writeconfig", "hda", "hdb", "hdc", "hdd", "cdrom", "fda", "fdb", "kernel", "initrd",
               "append", "loadvm", "preconfig", "spice", "vnc", "bios", "usb",
               "smbios")  # fmt: skip

_LISTS = {
    "accel": "Accelerators supported in QEMU binary:\ntcg\n",
    "machine": "Supported machines are:\nnone                 empty machine\n",
    "M": "Supported machines are:\nnone                 empty machine\n",
    "device": 'Storage devices:\nname "virtio-blk-pci", bus PCI, alias "virtio-blk"\n',
}


class Configuration:
    """The command line, sorted by what it is about."""

    def __init__(self) -> None:
        self.values: dict[str, list[tuple[str, str]]] = {name: [] for name in _SERVED}
        self.nographic = False
        self.paused = False
        self.answer = ""

    def add(self, name: str, spelled: str, value: str) -> None:
        """Keep an option and how it was spelled, which its error messages begin with."""
        self.values[name].append((f"{spelled} {value}", value))


def parse(words: list[str], name: str) -> Configuration:
    """Sort the command line; BlockError names what is unknown or not served."""
    found = Configuration()
    at = 0
    while at < len(words):
        word = words[at]
        at += 1
        option = word.lstrip("-") if word[:1] == "-" and word not in ("-", "--") else ""
        if option in ("h", "help"):
            found.answer = _HELP.format(name=name)
        elif option == "version":
            found.answer = "QEMU emulator version 7.2.22 (embedded programs of goldlock)\n"
        elif option == "nographic":
            found.nographic = True
        elif option == "S":
            found.paused = True
        elif option in _IGNORED or option in _SERVED:
            if at >= len(words):
                raise BlockError(f"{word}: requires an argument")
            _take(found, word, option, words[at])
            at += 1
        elif option not in _FLAGS:
            raise _refusal(word, option)
    return found


def _take(found: Configuration, word: str, option: str, value: str) -> None:
    if value in ("help", "?") and option in _LISTS:
        found.answer = _LISTS[option]
    elif option in _SERVED:
        found.add(option, word.removeprefix("-") if word.startswith("--") else word, value)


def _refusal(word: str, option: str) -> BlockError:
    if option in _NOT_SERVED:
        return not_served(f"Option '{word}'")
    if not option:
        return not_served(f"A disk image without -drive ('{word}')")
    return BlockError(f"{word}: invalid option")
