"""goldlock: golden-output regression tests for programs that fight over locks."""
