# SPDX-License-Identifier: GPL-2.0-or-later
"""Kits: what the programs of a suite need beyond goldlock itself.

A kit is a package here. Its `KIT` is a `goldlock.suite.kit.Kit`, for the runner; its other
modules are for cases. Nothing but the name that a suite gives leads to one.
"""
