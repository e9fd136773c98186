"""A kernel that nobody posted, written as the diff that makes it out of one that somebody did.

The module that defines the function is compiled again under the variant's name, so it is as if the kernel had been
posted like that.
"""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pagecache.history import EVERY_KERNEL
from pagecache.kernel import Kernel

__all__ = ["Alternative", "Asked", "Variant"]


@dataclass(frozen=True, slots=True)
class Variant:
    """A kernel with something done differently.

    Args:
        name: what it lacks, or does.
        diff: hunks in the unified format, without line numbers.
        member: the function of the kernel's table whose module is patched.
        of: the kernel that is changed.
    """

    name: str
    diff: str
    member: str = "collapse_file"
    of: str = "linux-6.4"

    def kernel(self) -> Kernel:
        """The changed kernel.

        Raises:
            ValueError: if a hunk does not apply at exactly one place: the kernel has changed, and so must the diff.
        """
        kernel = EVERY_KERNEL[self.of]
        function = getattr(kernel, self.member)
        module = inspect.getmodule(function)
        assert module is not None
        text = inspect.getsource(module)
        for old, new in _hunks(self.diff):
            if text.count(old) != 1:
                raise ValueError(
                    f"{self.name}: a hunk applies to {module.__name__} at {text.count(old)} places; "
                    f"it must be one, give it more or less context:\n{old}"
                )
            text = text.replace(old, new)
        changed = types.ModuleType(self.name.replace("-", "_"))
        # The dataclasses and annotations of the module need no name in sys.modules; its functions are all we want.
        exec(compile(text, f"<{self.name}>", "exec"), changed.__dict__)  # noqa: S102
        changes = {self.member: getattr(changed, function.__name__)}
        return kernel.replace(name=self.name, summary=f"{self.of} {self.name}", source="a variant", **changes)


def _hunks(diff: str) -> Iterator[tuple[str, str]]:
    """What each hunk takes out of the text, and what it puts there."""
    for hunk in diff.strip("\n").split("\n@@\n"):
        lines = [(line[:1] or " ", f"{line[1:]}\n") for line in hunk.split("\n")]
        yield (
            "".join(text for mark, text in lines if mark in " -"),
            "".join(text for mark, text in lines if mark in " +"),
        )


@dataclass(frozen=True, slots=True)
class Alternative:
    """A kernel with other functions in some places.

    Args:
        name: what it does.
        of: the kernel that is changed, or a variant of one.
        functions: by the name of the table's member.
    """

    name: str
    of: str | Variant
    functions: Mapping[str, Callable[..., Any]]

    def kernel(self) -> Kernel:
        """The changed kernel."""
        kernel = EVERY_KERNEL[self.of] if isinstance(self.of, str) else self.of.kernel()
        return kernel.replace(
            name=self.name, summary=f"{kernel.name} {self.name}", source="a variant", **self.functions
        )


Asked = str | Variant | Alternative
"""A kernel that is asked: by its name, or what nobody posted."""
