"""A suite: its cases, their headers, and the programs under test."""
