#!/bin/sh
cat <<'END'
first
== One ==
the same
== Two ==
a b c
{"return": {"size": 512, "name": "t"}}
== Three ==
three
== Three ==
three again
END
