"""Tests of the embedded programs, most of them against the real ones."""
