#!/bin/sh
setsid sh -c "sleep 1001 & sleep 1002" >/dev/null 2>&1 &
sleep 1003 &
kill $!
wait $! 2>/dev/null
echo hi
