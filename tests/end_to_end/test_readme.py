"""What the README tells people to type works.

Each command of a fenced ``sh`` or ``console`` block is either a command of ours, which is run, made cheaper
by SUBSTITUTIONS, or one of SET_UP, which prepares a place to run it in.  Anything else is an error of this table.
The ``py`` block is a program of one's own; what it prints is the block behind it.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Final, NamedTuple

import pytest
from click.testing import CliRunner

from fuzz.cli import main

REPOSITORY: Final = Path(__file__).parent.parent.parent
README: Final = REPOSITORY / "README.md"

LANGUAGES: Final = ("sh", "console")

SET_UP: Final = frozenset({"git", "cd", "source", "pip", "python3 -m venv", "python3 -m pip"})
"""Programs that a person needs first; only their names are looked at, and that the files they name exist."""

SUBSTITUTIONS: Final = {
    # A search is as good when it is short.
    r"--minutes \d+": "--schedules 50",
    r"--schedules \d+": "--schedules 400",
    r"--operations 2\b": "--operations 1",
    # It must not write into the repository.
    r"^(pagecache-fuzz run\b.*)$": r"\1 --corpus {tmp}/corpus",
    r"^pagecache-fuzz matrix$": "pagecache-fuzz matrix {tmp}/some",
    # The patch of one's own, as the README says how to write it.
    r"\bmy_patch\.py\b": "{tmp}/my_patch.py",
    # The whole of it takes minutes; that it would begin, and a part of it, is enough.
    r"^pytest tests/": "pytest tests/planted",
    r"^(pytest (?!.*--kernel).*)$": r"\1 --collect-only",
    r"^(pytest (?!.*-q).*)$": r"\1 -q -p no:cacheprovider",
    r"^\.ci/run$": "bash -n .ci/run",
}
"""By pattern, what is typed instead; applied in order."""

STATUSES: Final = {"run --kernel linux-6.2": 1, "replay": 1}
"""By beginning, the exit status, if it is not 0: something is found where something is wrong."""


class Block(NamedTuple):
    """A fenced block, and the line at which it begins."""

    line: int
    language: str
    text: str


def blocks(text: str) -> list[Block]:
    """The fenced blocks of a Markdown text."""
    fence = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```\s*$", re.MULTILINE | re.DOTALL)
    return [Block(text.count("\n", 0, found.start()) + 1, found[1], found[2]) for found in fence.finditer(text)]


def commands(block: Block) -> list[str]:
    """What a person types, without prompts, output and comments; each part of ``a && b`` on its own."""
    lines = block.text.replace("\\\n", " ").splitlines()
    if block.language == "console":
        lines = [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
    typed: list[str] = []
    for line in lines:
        lexer = shlex.shlex(line, posix=True, punctuation_chars="&;|")
        lexer.whitespace_split = True
        words: list[str] = []
        for word in [*lexer, ";"]:
            if set(word) <= set("&;|"):
                typed += [shlex.join(words)] * bool(words)
                words = []
            else:
                words.append(word)
    return typed


def _everything() -> list[tuple[str, str]]:
    if not README.exists():
        return []
    found = [block for block in blocks(README.read_text(encoding="utf-8")) if block.language in LANGUAGES]
    return [(f"line {block.line}: {command}", command) for block in found for command in commands(block)]


EVERYTHING: Final = _everything()
each = pytest.mark.parametrize("command", [command for _, command in EVERYTHING], ids=[name for name, _ in EVERYTHING])


def _in_the_environment(command: str) -> str:
    """Without the directory of the virtual environment, which is where the tests run."""
    return re.sub(r"^\S*/bin/(?=(pytest|pip|pagecache-fuzz|python)\b)", "", command)


def _program(command: str) -> str:
    """``pip``, ``python3 -m venv``."""
    words = shlex.split(_in_the_environment(command))
    return " ".join(words[:3] if words[1:2] == ["-m"] else words[:1])


def _is_set_up(command: str) -> bool:
    return _program(command) in SET_UP


@pytest.fixture(scope="module")
def tmp(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a patch of one's own, and a part of the corpus."""
    tmp = tmp_path_factory.mktemp("readme")
    ending = [block.text for block in blocks(README.read_text(encoding="utf-8")) if block.language == "python"]
    copied = (REPOSITORY / "pagecache" / "collapse" / "linux_2026.py").read_text(encoding="utf-8")
    (tmp / "my_patch.py").write_text("\n\n".join([copied, *ending]), encoding="utf-8")
    (tmp / "some").mkdir()
    shutil.copy(REPOSITORY / "corpus" / "no_task_sleeps_in_atomic_context+collapse.toml", tmp / "some")
    return tmp


def cheaper(command: str, tmp: Path) -> str:
    """What is run in its place."""
    command = _in_the_environment(command)
    for pattern, replacement in SUBSTITUTIONS.items():
        command = re.sub(pattern, replacement.replace("{tmp}", str(tmp)), command)
    return command


def test_there_is_a_readme_with_commands() -> None:
    assert README.exists()
    assert any(not _is_set_up(command) for _, command in EVERYTHING)


@each
def test_a_command_is_known(command: str) -> None:
    program = _program(command)

    assert program in {*SET_UP, "pagecache-fuzz", "pytest", ".ci/run"} or _script(command), (
        f"nobody has said what to do with {command!r}: run it, or add {program!r} to SET_UP"
    )
    for word in shlex.split(command):
        if re.fullmatch(r"[\w.+/-]+\.(toml|md|py|txt)", word) and "my_patch" not in word:
            assert (REPOSITORY / word).exists(), word


def _script(command: str) -> bool:
    words = shlex.split(_in_the_environment(command))
    return words[0].startswith("python") and (REPOSITORY / words[1]).is_file()


@pytest.mark.parametrize(
    "command", [command for _, command in EVERYTHING if not _is_set_up(command)], ids=lambda command: command
)
def test_a_command_of_ours_runs(command: str, tmp: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = shlex.split(cheaper(command, tmp))
    monkeypatch.chdir(REPOSITORY)
    if words[0] == "pagecache-fuzz":
        result = CliRunner(catch_exceptions=False).invoke(main, words[1:])
        said = " ".join(words[1:])
        expected = next((status for beginning, status in STATUSES.items() if said.startswith(beginning)), 0)
        assert result.exit_code == expected, result.output
        return
    if words[0] in ("pytest", "python", "python3"):
        words = [sys.executable, *(["-m"] if words[0] == "pytest" else []), *words[words[0] != "pytest" :]]
    done = subprocess.run(  # noqa: S603 - our own
        words,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_program_of_ones_own_prints_what_it_says(capsys: pytest.CaptureFixture[str]) -> None:
    found = blocks(README.read_text(encoding="utf-8"))
    (at,) = (position for position, block in enumerate(found) if block.language == "py")
    exec(compile(found[at].text, str(README), "exec"), {})  # noqa: S102 - our own

    assert capsys.readouterr().out == found[at + 1].text


def test_the_command_exists() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]

    assert project["scripts"] == {"pagecache-fuzz": f"{main.callback.__module__}:main"}


@pytest.mark.parametrize("pattern", SUBSTITUTIONS)
def test_a_substitution_is_needed(pattern: str) -> None:
    ours = [_in_the_environment(command) for _, command in EVERYTHING]

    assert any(re.search(pattern, command) for command in ours)


MARKDOWN: Final = """# Title

```sh
a b && c 'd && e'  # why
f \\
  g; h
```

```console
$ i
said
$ j k
```

```text
l
```
"""


def test_a_block_is_taken_apart() -> None:
    found = blocks(MARKDOWN)

    assert [(block.line, block.language) for block in found] == [(3, "sh"), (9, "console"), (15, "text")]
    assert commands(found[0]) == ["a b", "c 'd && e'", "f g", "h"]
    assert commands(found[1]) == ["i", "j k"]
