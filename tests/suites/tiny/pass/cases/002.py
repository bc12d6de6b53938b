#!/usr/bin/env python3
# group: quick python
from goldlock import Case, run


def main(case: Case) -> None:
    case.log(f"my directory is {case.test_dir}", case.paths)
    case.section("A section")
    case.log("its body")


run(main)
