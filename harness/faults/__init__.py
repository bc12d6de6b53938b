"""Faults in lock calls, and a trace of them, for any unmodified program.

Imports stand in harness.faults.api: this package is also started as a program, ahead of
programs that live 10 ms, and loads nothing that it does not need.
"""
