"""What `goldlock.case.case` is made of: all that runs in the process of a case."""
