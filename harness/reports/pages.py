# SPDX-License-Identifier: GPL-2.0-or-later
"""How each HTML page is made: from a template beside this file, which escapes all it is given."""

from pathlib import Path

from goldlock.text import for_html
from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template


def template(name: str) -> Template:
    """Return a template; in it, the filter ``visible`` is for what programs and people wrote."""
    environment = Environment(
        autoescape=True,
        loader=FileSystemLoader(Path(__file__).parent),
        lstrip_blocks=True,
        trim_blocks=True,
        undefined=StrictUndefined,
    )
    environment.filters["visible"] = for_html
    return environment.get_template(name)
