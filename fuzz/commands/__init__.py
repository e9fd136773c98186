"""The commands of ``pagecache-fuzz``, a file each: parse, call one function, print."""
