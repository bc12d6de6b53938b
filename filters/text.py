r"""Line ends and white space."""

import re


def carriage_returns(text: str) -> str:
    r"""Drop the carriage returns before line ends; monitors write ``\r\n``.

    before: ``(qemu) quit\r\n``
    after:  ``(qemu) quit\n``
    """
    return re.sub(r"\r+(?=\n|\Z)", "", text)


def trailing_blanks(text: str) -> str:
    r"""Drop blanks and tabs at line ends.

    before: ``Round done  \n``
    after:  ``Round done\n``
    """
    return re.sub(r"[ \t]+(?=\n|\Z)", "", text)
