from __future__ import annotations

import sys
from pathlib import Path

import pytest
from kernel_files import CANARY, write

from fuzz.errors import KernelError
from fuzz.kernel_file import find_kernel
from pagecache.kernels import KERNELS, LINUX_6_4

PRELUDE = "from pagecache.kernels import LINUX_6_4\n"


@pytest.mark.parametrize("kernel", KERNELS, ids=lambda kernel: kernel.name)
def test_each_kernel_of_the_list_is_found_by_its_name(kernel: object) -> None:
    assert find_kernel(kernel.name) is kernel  # type: ignore[attr-defined]


def test_a_file_defines_a_kernel(tmp_path: Path) -> None:
    kernel = find_kernel(str(write(tmp_path / "my_patch.py", CANARY)))

    assert kernel.name == "canary"
    assert kernel.collapse_file is not LINUX_6_4.collapse_file
    assert kernel.shmem_fault is LINUX_6_4.shmem_fault
    assert not list(tmp_path.glob("__pycache__"))


def test_a_kernel_that_kept_its_name_is_named_after_its_file(tmp_path: Path) -> None:
    path = write(tmp_path / "my_patch.py", PRELUDE + "KERNEL = LINUX_6_4.replace(summary='mine')")

    assert find_kernel(str(path)).name == "my_patch"


def test_an_edited_file_is_another_kernel_at_once(tmp_path: Path) -> None:
    path = tmp_path / "my_patch.py"
    for name in ("one", "two"):
        write(path, PRELUDE + f"KERNEL = LINUX_6_4.replace(name='{name}')")
        assert find_kernel(str(path)).name == name


def test_a_file_may_define_dataclasses(tmp_path: Path) -> None:
    dataclass = (
        "from __future__ import annotations\nimport dataclasses\n@dataclasses.dataclass\nclass State:\n    n: int\n"
    )

    find_kernel(str(write(tmp_path / "x.py", dataclass + PRELUDE + "KERNEL = LINUX_6_4")))


WRONG = {
    "does_not_define": ("x = 1\n", "{path}: does not define KERNEL; define 'KERNEL = LINUX_6_4.replace(name="),
    "is_no_kernel": ("KERNEL = 7\n", "{path}: KERNEL is 7, not a Kernel; define 'KERNEL = LINUX_6_4.replace(name="),
    "syntax": ("x = 1\ndef f(:\n", "{path}, line 2: the file does not import: SyntaxError: invalid syntax; mend it"),
    "raises": ("x = 1\n\nx.y\n", "{path}, line 3: the file does not import: AttributeError: 'int' object has no"),
    "leaves": ("import sys\nsys.exit(0)\n", "{path}, line 2: the file does not import: SystemExit: 0; mend it"),
    "imports": ("import not_there\n", "{path}, line 1: the file does not import: ModuleNotFoundError: No module named"),
    "null": ("x = '\0'\n", "{path}: the file does not import: "),
    "plain_function": (
        PRELUDE
        + "def collapse_file(mm, mapping, start, cc): ...\nKERNEL = LINUX_6_4.replace(collapse_file=collapse_file)\n",
        "{path}, line 3: the file does not import: TypeError: kernel 'linux-6.4': collapse_file is <function",
    ),
    "no_such_member": (
        PRELUDE + "KERNEL = LINUX_6_4.replace(colapse_file=None)\n",
        "{path}, line 2: the file does not import: TypeError: a kernel has no member 'colapse_file'; it has name, ",
    ),
    "lacks_members": (
        "from pagecache.kernel import Kernel\nKERNEL = Kernel(name='x', summary='y', source='z')\n",
        "{path}, line 2: the file does not import: TypeError: Kernel.__init__() missing ",
    ),
    "parameters": (
        PRELUDE + "async def mine(mapping): ...\nKERNEL = LINUX_6_4.replace(name='x', collapse_file=mine)\n",
        "{path}: KERNEL.collapse_file is mine(mapping), but it is called as collapse_file(mm, mapping, start, cc): too",
    ),
    "no_name": (
        PRELUDE + "KERNEL = LINUX_6_4.replace(name='')\n",
        "{path}: KERNEL.name is ''; make it a string that is not",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_file_is_an_error_of_one_paragraph(name: str, tmp_path: Path) -> None:
    text, message = WRONG[name]
    path = tmp_path / f"{name}.py"
    path.write_text(text)
    modules = set(sys.modules)

    with pytest.raises(KernelError) as caught:
        find_kernel(str(path))

    assert str(caught.value).startswith(message.format(path=path))
    assert "\n" not in str(caught.value)
    assert set(sys.modules) <= modules | {f"kernel_file_{name}"}


def test_what_is_neither_a_name_nor_a_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(KernelError, match=r"there is no kernel 'linux-6\.3'; did you mean 'linux-6\.\d'\?"):
        find_kernel("linux-6.3")
    with pytest.raises(KernelError, match=r"missing\.py: cannot be read: No such file or directory; give the path of"):
        find_kernel(str(tmp_path / "missing.py"))


def test_a_file_called_like_one_of_ours_must_choose(tmp_path: Path) -> None:
    path = write(tmp_path / "linux-6.4.py", PRELUDE + "KERNEL = LINUX_6_4")

    with pytest.raises(KernelError, match=r"are called 'linux-6\.4', like one of ours; rename one"):
        find_kernel(str(path))
