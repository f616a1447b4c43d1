"""Work beside this process's main thread: a thread that runs ahead, processes, the memory they share."""
