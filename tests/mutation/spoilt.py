"""Look for one mutant with the default search, in this process: ``python tests/mutation/spoilt.py NAME``.

Prints one line of JSON: how many schedules it took, which promise was broken, how small the reproducer is, and the
reproducer as an entry of the corpus.
"""

from __future__ import annotations

import argparse
import json
import sys
import time

from catalogue import MUTANTS_BY_NAME
from mutant import plant

BUDGET = 40_000
"""Schedules: what ``pagecache-fuzz run`` tries in its minute, or a little less."""


def main() -> None:
    """Plant, search, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=sorted(MUTANTS_BY_NAME))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--schedules", type=int, default=BUDGET)
    parser.add_argument("--ladder", action="store_true", help="print the reproducer, too")
    arguments = parser.parse_args()
    mutant = MUTANTS_BY_NAME[arguments.name]
    plant(mutant)

    from fuzz.campaign import Campaign
    from fuzz.corpus.entry import Found
    from fuzz.corpus.entry_writer import entry_text
    from fuzz.keep import described
    from fuzz.subject import Subject
    from pagecache.history import Focus
    from pagecache.kernels import KERNELS_BY_NAME
    from pagecache.operations import OPERATIONS_BY_NAME

    started = time.perf_counter()
    subject = Subject(KERNELS_BY_NAME[mutant.kernel])
    focus = None
    if mutant.features:
        operations = tuple(OPERATIONS_BY_NAME[name] for name in mutant.operations or OPERATIONS_BY_NAME)
        focus = Focus(operations, mutant.features)
    campaign = Campaign.search(subject, arguments.seed, arguments.schedules, focus=focus)
    report: dict[str, object] = {"name": mutant.name, "schedules": campaign.schedules}
    if campaign.unknown is not None:
        report["unknown"] = str(campaign.unknown)
    if campaign.findings:
        shrunk = campaign.findings[0].shrunk
        report["promise"] = shrunk.verdict.promise
        report["program"] = str(shrunk.case.program)
        report["size"] = [
            len(shrunk.case.program.tasks),
            shrunk.case.program.operations,
            len(shrunk.case.schedule),
            len(shrunk.case.failures),
        ]
        report["sentence"] = shrunk.verdict.sentence
        entry, _ = described(shrunk, subject.kernel, Found(arguments.seed, campaign.schedules))
        report["entry"] = entry_text(entry)
    report["seconds"] = round(time.perf_counter() - started, 1)
    print(json.dumps(report))
    sys.exit(0 if campaign.findings else 1)


if __name__ == "__main__":
    main()
