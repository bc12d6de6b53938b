"""From a list of cases to what came of each: workers, directories, time limits, leftovers."""
