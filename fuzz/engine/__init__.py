"""One run: the tasks, the two drivers, what happened and what it means."""
