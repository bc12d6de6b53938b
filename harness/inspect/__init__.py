# SPDX-License-Identifier: GPL-2.0-or-later
"""What was going on: processes, their locks, and where a case was."""
