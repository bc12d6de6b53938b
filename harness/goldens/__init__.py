"""Goldens: chosen, compared, explained, judged by, reviewed, and written."""
