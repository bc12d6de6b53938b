# SPDX-License-Identifier: GPL-2.0-or-later
"""Reports of a run, for people and for CI: the console, and files in five formats.

What came of a case is made into a `record.CaseRecord` once, where it was judged, and is carried
by pytest's report of it, so that it also comes over from another process. The formats are
functions of records: `tap`, `json_lines`, `page` (HTML) and `annotations` (GitHub, GitLab).
`junit` hands sections on to pytest's own writer. Nothing of it is loaded unless it is asked for,
but for `console`.

TAP and JSON lines are written here, not by pytest-tap and pytest-reportlog: those know tests, not
sections (a golden's line, a difference, what was kept), do not say what was under test, and
leave half a file behind when they are interrupted; and what is installed as a plugin of pytest
costs each run its look-up, asked for or not.
"""
