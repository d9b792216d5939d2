package seen

const crashEnv = "SEEN_CRASH_DIR"

func crashChild() {}
