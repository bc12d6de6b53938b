"""What was going on: processes, their locks, and where a case was."""
