"""``python -m fuzz`` is ``pagecache-fuzz``."""

from fuzz.cli import main

main(prog_name="pagecache-fuzz")
