# SPDX-License-Identifier: GPL-2.0-or-later
"""The one image that qemu-io has open."""

from __future__ import annotations

from goldlock.embedded.common import options as opts
from goldlock.embedded.common import report
from goldlock.embedded.common.report import BlockError
from goldlock.embedded.image.backend import Image, open_image
from goldlock.embedded.image.open_node import Flags


class Session:
    """The one image that qemu-io has open, or none."""

    def __init__(self) -> None:
        self.image: Image | None = None
        self.read_only = False
        self.force_share = False

    def open(
        self, name: str | None, options: opts.Options, read_only: bool, force_share: bool
    ) -> bool:
        """Open an image; report why not and return False if that fails."""
        if self.image is not None:
            report.error("file open already, try 'help close'")
            return False
        if force_share and options.get("force-share", "on") != "on":
            report.error("-U conflicts with image options")
            return False
        flags = Flags(read_only=read_only, force_share=force_share)
        try:
            self.image = open_image(name, options, flags)
        except BlockError as failure:
            shown = f" device {name}" if name is not None else ""
            report.error(f"can't open{shown}: {failure.message}", failure.hint)
            return False
        return True

    def close(self) -> None:
        """Close the image if one is open."""
        if self.image is not None:
            image, self.image = self.image, None
            image.close()
