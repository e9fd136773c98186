"""The protocols by which small shmem pages become one huge page: a file for each, to be compared with diff."""
