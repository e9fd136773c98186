"""Run programs against the model, search their schedules, judge, shrink, keep and show what fails.

For a model other than the page cache: :class:`fuzz.program.Program`, :func:`explore` and :func:`verify`.
"""

from fuzz.exploring import explore
from fuzz.program import Program
from fuzz.verifying import verify
from pagecache.step import Task, Wait, step

__all__ = ["Program", "Task", "Wait", "explore", "step", "verify"]
