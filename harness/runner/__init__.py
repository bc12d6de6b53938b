# SPDX-License-Identifier: GPL-2.0-or-later
"""From a list of cases to what came of each: workers, directories, time limits, leftovers."""
