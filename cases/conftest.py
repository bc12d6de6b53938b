# SPDX-License-Identifier: GPL-2.0-or-later
"""Lets plain pytest run the cases of this suite: `pytest cases/153.py`."""

pytest_plugins = ["goldlock.pytest_plugin.plugin"]
