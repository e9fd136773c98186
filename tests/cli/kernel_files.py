"""Kernel files as a user would write them, right and wrong."""

from __future__ import annotations

import textwrap
from pathlib import Path

CANARY = """
    from pagecache.kernels import LINUX_6_4
    from pagecache.step import KernelBug, step


    async def collapse_file(mm, mapping, start, cc):
        await step("canary", start, target=("slot", start), writes=True)
        raise KernelBug("the canary sings")


    KERNEL = LINUX_6_4.replace(name="canary", collapse_file=collapse_file)
    """


def write(path: Path, text: str) -> Path:
    path.write_text(textwrap.dedent(text))
    return path
