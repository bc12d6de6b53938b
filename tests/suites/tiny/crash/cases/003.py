from goldlock import Case, run


def main(case: Case) -> None:
    case.log("before")
    case.program("no-such-program")("info")
    case.log("never")


run(main)
