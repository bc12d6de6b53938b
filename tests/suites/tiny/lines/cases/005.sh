#!/bin/sh
echo something
