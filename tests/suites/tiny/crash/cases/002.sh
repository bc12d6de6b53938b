#!/bin/sh
echo the output is right
kill -SEGV $$
