#!/bin/sh
printf 'no line end'
