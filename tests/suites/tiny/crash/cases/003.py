from goldlock import Case, run


def story(case: Case) -> None:
    case.log("before")
    case.qemu_img("info", case.image)
    case.log("never")


run(story)
