# SPDX-License-Identifier: GPL-2.0-or-later
"""Kits: what the programs of a suite need beyond goldlock itself.

A kit is a package here. Its ``KIT`` is a `goldlock.suite.kit.Kit`, for the runner; its ``Case``
is a subclass of `goldlock.case.case.Case`, for cases; its module ``filters`` names its filters in
``__all__``. Nothing but the name that a suite gives leads to one.
"""
