"""``pytest fuzz/``: replays the corpus, then fuzzes every kernel.

pytest fuzz/                         all kernels of the table
pytest fuzz/ --kernel my_patch.py    one's own
pytest fuzz/ --history               the museum: every real bug is found; with --kernel b09, this one
pytest fuzz/ --hypothesis-profile=ci the same cases every time; 'soak' for many more
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, Phase, settings

from fuzz.corpus.store import entry_paths
from fuzz.errors import InputError
from fuzz.kernel_file import find_kernel
from fuzz.known import KNOWN
from fuzz.violation import Violation
from pagecache.history import HISTORY, Bug
from pagecache.kernel import Kernel
from pagecache.kernels import FUZZED

CORPUS: Final = Path(__file__).parent.parent / "corpus"

QUIET: Final = {
    "deadline": None,  # a program is as long as it is
    "phases": [Phase.generate],  # the search shrinks by itself, and proves the end
    "suppress_health_check": [HealthCheck.too_slow, HealthCheck.data_too_large],
    "database": None,  # the corpus is ours
}
settings.register_profile("default", **QUIET, max_examples=2_500)  # type: ignore[arg-type]
settings.register_profile("ci", **QUIET, max_examples=2_500, derandomize=True)  # type: ignore[arg-type]
settings.register_profile("soak", **QUIET, max_examples=250_000)  # type: ignore[arg-type]

SAYS: Final = "what the search says"
"""A property of a test's report: a headline, and a text for who wants to see the ladders."""

Say = Callable[..., None]


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options of ours."""
    group = parser.getgroup("pagecache-fuzz")
    group.addoption("--kernel", help="fuzz this kernel only: a name, or a Python file that defines KERNEL")
    group.addoption("--history", action="store_true", help="look for the bugs of the museum, and for nothing else")
    group.addoption("--schedules", type=int, metavar="N", help="at most N schedules of each kernel")
    group.addoption("--ladders", action="store_true", help="show the ladder of each failure that was expected, too")


def pytest_configure(config: pytest.Config) -> None:
    """The profile, and whether the options make sense."""
    if config.getoption("hypothesis_profile", None) is None:
        settings.load_profile("default")
    schedules = config.getoption("--schedules")
    if schedules is not None and schedules < 1:
        raise pytest.UsageError(f"--schedules is {schedules}; give at least 1")
    if config.getoption("--history") and not _bugs(config):
        raise pytest.UsageError(f"--kernel is {config.getoption('--kernel')}; give a bug of 'list history', or b09")
    try:
        _kernels(config)
    except InputError as error:
        raise pytest.UsageError(str(error)) from error


def _kernels(config: pytest.Config) -> tuple[Kernel, ...]:
    if config.getoption("--history"):
        return ()
    name = config.getoption("--kernel")
    return FUZZED if name is None else (find_kernel(name),)


def _bugs(config: pytest.Config) -> list[Bug]:
    """Those of the museum that are wanted; ``b09`` is enough of a name."""
    name = config.getoption("--kernel")
    return [bug for bug in HISTORY if name in (None, bug.kernel.name) or bug.kernel.name.startswith(f"{name}-")]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test for each entry of the corpus, and for each kernel and promise that it is known to break."""
    if "bug" in metafunc.fixturenames:
        bugs = _bugs(metafunc.config)
        metafunc.parametrize("bug", bugs, ids=[bug.kernel.name for bug in bugs])
    elif "entry_path" in metafunc.fixturenames:
        paths = entry_paths(CORPUS) if CORPUS.is_dir() else []
        metafunc.parametrize("entry_path", paths, ids=[path.stem for path in paths])
    if "broken" in metafunc.fixturenames:
        table = [(kernel, promise) for kernel in _kernels(metafunc.config) for promise in KNOWN.get(kernel.name, {})]
        ids = [f"{kernel.name}-{promise}" for kernel, promise in table]
        metafunc.parametrize(("kernel", "broken"), table, ids=ids)
    elif "kernel" in metafunc.fixturenames:
        # A kernel that is broken at its heart has nothing to hold; linux-6.4 has one wrong count.
        sound = [kernel for kernel in _kernels(metafunc.config) if _is_sound(kernel)]
        metafunc.parametrize("kernel", sound, ids=[kernel.name for kernel in sound])


def _is_sound(kernel: Kernel) -> bool:
    return kernel.name not in KNOWN or kernel.name == "linux-6.4"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The corpus first; and the kernels that are known to be broken must fail, as a strict expected failure."""
    items.sort(key=lambda item: item.path.parent.name == "fuzz" and item.path.name != "test_corpus.py")
    museum = config.getoption("--history")
    pointless = [
        item
        for item in items
        if item.path.parent.name == "fuzz"
        # A kernel of one's own is not known to break anything.
        and (_parameter(item, "broken") is NOTHING or (item.path.name == "test_history.py") != museum)
    ]
    if pointless:
        config.hook.pytest_deselected(items=pointless)
        items[:] = [item for item in items if item not in pointless]
    for item in items:
        kernel, promise = _parameter(item, "kernel"), _parameter(item, "broken")
        if isinstance(kernel, Kernel) and isinstance(promise, str):
            reason = KNOWN[kernel.name][promise]
            item.add_marker(pytest.mark.xfail(strict=True, raises=Violation, reason=reason))


NOTHING: Final = object()


def _parameter(item: pytest.Item, name: str) -> object:
    """The item's parameter; NOTHING if its table was empty, ``None`` if it has none of that name."""
    callspec = getattr(item, "callspec", None)
    if callspec is None or name not in callspec.params:
        return None
    value = callspec.params[name]
    return value if isinstance(value, Kernel | Bug | str | Path) else NOTHING


@pytest.fixture
def say(request: pytest.FixtureRequest) -> Say:
    """Leaves a headline, and perhaps a text, to be printed at the end.

    It goes with the test's report, so that it arrives from a process of pytest-xdist, too.
    """

    def said(headline: str, text: str = "") -> None:
        request.node.user_properties.append((SAYS, (headline, text)))

    return said


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """What the search says, a line for each kernel, and the ladders if they are wanted."""
    reports = [one for some in terminalreporter.stats.values() for one in some if getattr(one, "when", "") == "call"]
    reports.sort(key=lambda report: report.start)
    said = [what for report in reports for name, what in report.user_properties if name == SAYS]
    if not said:
        return
    terminalreporter.section(SAYS)
    for headline, _ in said:
        terminalreporter.line(headline)
    if config.getoption("--ladders"):
        for headline, text in said:
            if text:
                terminalreporter.section(headline.split(":")[0])
                terminalreporter.line(text)
