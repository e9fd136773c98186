"""Look for every mutant, each in a process of its own: ``python tests/mutation/table.py [NAME ...]`` prints the table.

A mutant counts as found if one of the seeds finds it within the budget, and if what fails passes where nothing is
spoilt: what the kernel does anyway is no sign of the mutant.  Exit status 1 if a mutant survives that is not said to be
equivalent, or one is found that is.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

from catalogue import MUTANTS, MUTANTS_BY_NAME
from mutant import Mutant
from spoilt import BUDGET

from fuzz.corpus.entry_reader import read_entry
from fuzz.corpus.vocabulary import vocabulary
from fuzz.engine.verdict import Outcome
from fuzz.subject import Subject
from pagecache.kernels import KERNELS_BY_NAME

__all__ = ["look_for", "main"]

HERE: Final = Path(__file__).parent
ROOT: Final = HERE.parents[1]


def look_for(mutant: Mutant, seeds: int, schedules: int) -> dict[str, Any]:
    """The report of the first seed that finds it, or of the last one; ``schedules`` counts those of all seeds tried."""
    tried = 0
    report: dict[str, Any] = {}
    for seed in range(seeds):
        command = [sys.executable, str(HERE / "spoilt.py"), mutant.name, f"--seed={seed}", f"--schedules={schedules}"]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, env=_environment())
        if done.returncode not in (0, 1) or not done.stdout:
            return {"name": mutant.name, "schedules": tried, "crashed": done.stderr.strip().splitlines()[-1:]}
        report = json.loads(done.stdout.splitlines()[-1])
        tried += report["schedules"]
        report["schedules"] = tried
        if "promise" in report and _fails_anyway(mutant, report):
            report["unknown"] = f"{report.pop('promise')}: the kernel fails without it, too"
        if "promise" in report or "unknown" in report:
            break
    return report


def _fails_anyway(mutant: Mutant, report: dict[str, Any]) -> bool:
    """Nothing is spoilt in this process: is what was found a failure here?"""
    entry = read_entry(mutant.name, mutant.name, report["entry"].encode(), vocabulary())
    return Subject(KERNELS_BY_NAME[mutant.kernel]).judge(entry.case).outcome is not Outcome.HELD


def _environment() -> dict[str, str]:
    return {"PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "0"}


def _row(mutant: Mutant, report: dict[str, Any]) -> str:
    if "promise" in report:
        tasks, operations, deviations, failures = report["size"]
        size = f"{tasks} / {operations} / {deviations}" + (f" + {failures} failure" if failures else "")
        return f"| `{mutant.name}` | {mutant.kind} | {report['promise']} | {report['schedules']:,} | {size} |"
    why = mutant.equivalent or report.get("unknown") or report.get("crashed") or "**survives**"
    return f"| `{mutant.name}` | {mutant.kind} | {why} | {report['schedules']:,} | |"


def main() -> int:
    """Run all, print a row each as it is done, then the sum."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="only these")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--schedules", type=int, default=BUDGET)
    parser.add_argument("--jobs", type=int, default=2)
    arguments = parser.parse_args()
    chosen = [MUTANTS_BY_NAME[name] for name in arguments.names] or list(MUTANTS)
    print("| Mutant | What was done | Broken promise | Schedules | Size |\n|---|---|---|---:|---|")
    found, wrong = 0, 0
    with ThreadPoolExecutor(arguments.jobs) as pool:
        reports = pool.map(lambda mutant: look_for(mutant, arguments.seeds, arguments.schedules), chosen)
        for mutant, report in zip(chosen, reports, strict=True):
            print(_row(mutant, report), flush=True)
            found += "promise" in report
            wrong += ("promise" in report) == bool(mutant.equivalent)
    share = 100 * found / len(chosen)
    print(f"\n{found} of {len(chosen)} mutants are found ({share:.0f} %), {len(chosen) - found} survive.")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
