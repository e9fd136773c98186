"""The museum, measured from ten seeds: what ``tests/benchmarks/history.py`` prints, as a test for each bug."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from pagecache.history import HISTORY, Bug

BENCHMARK = Path(__file__).parents[1] / "benchmarks" / "history.py"


def benchmark() -> ModuleType:
    """It is a script, and shares its name with this folder."""
    spec = importlib.util.spec_from_file_location("history_benchmark", BENCHMARK)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up there
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
@pytest.mark.parametrize("bug", HISTORY, ids=lambda bug: bug.kernel.name)
def test_it_is_found_from_any_seed_and_the_fixed_kernel_holds(bug: Bug, capsys: pytest.CaptureFixture[str]) -> None:
    module = benchmark()

    row = module.measure(bug.kernel.name, 10)

    with capsys.disabled():
        print(f"\n{module.line(bug, row)}")  # noqa: T201
    assert not row.missed
    assert not row.seen
    assert set(row.promises) <= set(bug.breaks)
