#!/bin/sh
echo the others run on
