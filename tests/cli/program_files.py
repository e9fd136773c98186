"""A program file as a user would write it."""

from __future__ import annotations

PROGRAM = """\
[world]
pages = ["data", "hole"]
hpage_order = 1
size = 2

[[world.vma]]
mm = "A"
start = 0
end = 2

[[task]]
name = "khugepaged"
ops = [{ op = "Collapse", start = 0 }]

[[task]]
name = "lseek"
ops = [{ op = "SeekData", index = 0 }]
"""
