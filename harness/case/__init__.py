# SPDX-License-Identifier: GPL-2.0-or-later
"""What `goldlock.case.case` is made of: all that runs in the process of a case."""
