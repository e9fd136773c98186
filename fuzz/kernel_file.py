"""A kernel by its name, or out of a Python file that defines ``KERNEL``."""

from __future__ import annotations

import dataclasses
import inspect
import sys
import traceback
from pathlib import Path
from types import ModuleType
from typing import Final

from fuzz.corpus.toml_table import suggestion
from fuzz.errors import KernelError
from pagecache.history import EVERY_KERNEL
from pagecache.kernel import Kernel
from pagecache.kernels import LINUX_6_4

__all__ = ["find_kernel", "own_corpus"]

SUFFIX: Final = ".py"
_REFERENCE: Final = LINUX_6_4
"""How the functions of the table are called."""
_REMEDY: Final = "define 'KERNEL = LINUX_6_4.replace(name=..., collapse_file=...)', as pagecache/kernel.py shows"


def find_kernel(name: str) -> Kernel:
    """The kernel called ``name``, or the one in the file ``name``.

    A kernel from a file that kept the name of the one it was made from is named after the file, so that its entries
    are not taken for those of the other.

    Raises:
        KernelError: if there is none; the message names the file, the value and the remedy.
    """
    if name in EVERY_KERNEL:
        return EVERY_KERNEL[name]
    path = Path(name)
    if path.suffix != SUFFIX:
        known = list(EVERY_KERNEL)
        raise KernelError(
            f"there is no kernel {name!r}; {suggestion(name, known)}, or give a .py file that defines KERNEL"
        )
    module = _load(path)
    if not hasattr(module, "KERNEL"):
        raise KernelError(f"{path}: does not define KERNEL; {_REMEDY}")
    kernel = module.KERNEL
    if not isinstance(kernel, Kernel):
        raise KernelError(f"{path}: KERNEL is {kernel!r}, not a Kernel; {_REMEDY}")
    for field in dataclasses.fields(Kernel):
        _check_member(path, kernel, field.name)
    return _named(path, kernel)


def own_corpus(name: str) -> Path | None:
    """Where the findings on a kernel of one's own are kept, beside its file; ``None`` for those of the list.

    An entry of the corpus can be replayed by anybody, and nobody else has that file.
    """
    return None if name in EVERY_KERNEL else Path(name).with_name(f"{Path(name).stem}-corpus")


def _load(path: Path) -> ModuleType:
    """Run the file as a module; always from its source, because a stale ``.pyc`` would be another kernel."""
    try:
        source = path.read_bytes()
    except OSError as error:
        raise KernelError(
            f"{path}: cannot be read: {error.strerror}; give the path of a Python file that defines KERNEL"
        ) from error
    module = ModuleType(f"kernel_file_{path.stem}")
    module.__file__ = str(path)
    sys.modules[module.__name__] = module  # dataclasses look their module up there
    try:
        exec(compile(source, str(path), "exec"), module.__dict__)  # noqa: S102 - it is what the user asks for
    except (Exception, SystemExit) as error:  # anything may go wrong in somebody's file
        del sys.modules[module.__name__]
        raise KernelError(f"{_place(path, error)}: the file does not import: {_message(error)}; mend it") from error
    return module


def _message(error: BaseException) -> str:
    return traceback.format_exception_only(error)[-1].strip()


def _place(path: Path, error: BaseException) -> str:
    """The line of the file that did it, if one of them did."""
    if isinstance(error, SyntaxError) and error.filename == str(path):
        return f"{path}, line {error.lineno}"
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
    return f"{path}, line {lines[-1]}" if lines else str(path)


def _check_member(path: Path, kernel: Kernel, name: str) -> None:
    """A function must take what it is called with; a name and a summary must be there."""
    value, reference = getattr(kernel, name), getattr(_REFERENCE, name)
    if isinstance(reference, str):
        if not isinstance(value, str) or not value:
            raise KernelError(f"{path}: KERNEL.{name} is {value!r}; make it a string that is not empty")
        return
    wanted = inspect.signature(reference)
    given = inspect.signature(value)
    try:
        given.bind(
            *(name for name, parameter in wanted.parameters.items() if parameter.kind is not parameter.KEYWORD_ONLY),
            **{name: name for name, parameter in wanted.parameters.items() if parameter.kind is parameter.KEYWORD_ONLY},
        )
    except TypeError as error:
        raise KernelError(
            f"{path}: KERNEL.{name} is {value.__name__}{_parameters(given)}, but it is called as "
            f"{name}{_parameters(wanted)}: {error}; give it these parameters"
        ) from None


def _parameters(signature: inspect.Signature) -> str:
    """``(mm, mapping, start, cc)``, without types."""
    empty = inspect.Parameter.empty
    plain = [parameter.replace(annotation=empty) for parameter in signature.parameters.values()]
    return str(inspect.Signature(plain))


def _named(path: Path, kernel: Kernel) -> Kernel:
    if kernel.name not in EVERY_KERNEL:
        return kernel
    if path.stem in EVERY_KERNEL:
        raise KernelError(
            f"{path}: both the file and its KERNEL are called {kernel.name!r}, like one of ours; rename one"
        )
    return kernel.replace(name=path.stem)
