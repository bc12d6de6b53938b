print("before")
raise RuntimeError("a slip")
