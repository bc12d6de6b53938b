# SPDX-License-Identifier: GPL-2.0-or-later
"""How each HTML page is made: from a template beside this file, which escapes all it is given."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from goldlock.text import for_html
from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup


def template(name: str, **filters: Callable[..., Any]) -> Template:
    """Return a template, which has *filters*; each text that it is given is made visible."""
    environment = Environment(
        autoescape=True,
        finalize=_visible,
        keep_trailing_newline=True,
        loader=FileSystemLoader(Path(__file__).parent),
        lstrip_blocks=True,
        trim_blocks=True,
        undefined=StrictUndefined,
    )
    environment.filters |= filters
    return environment.get_template(name)


def _visible(value: object) -> object:
    return for_html(value) if isinstance(value, str) and not isinstance(value, Markup) else value
