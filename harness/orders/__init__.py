# SPDX-License-Identifier: GPL-2.0-or-later
"""Every order: run programs again and again, and let each order of their lock calls happen once.

Each program is unmodified, and stands still before each of its lock calls; one is let go at a time.
What is here by its parts: `effects`, `history` and `search` are about orders alone, and start
nothing; `starter`, `rest` and `play` run one order; `explorer` runs them all.
"""
