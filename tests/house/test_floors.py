"""The check of the floors: it passes on this house and sees every way to break the order."""

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="module")
def floors(root: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("floors", root / "tools" / "floors.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["floors"] = module
    spec.loader.exec_module(module)
    return module


def house(folder: Path, **files: str) -> Path:
    """A small `src/eyas` with the named files; `data__rows` stands for `data/rows.py`."""
    source = folder / "eyas"
    for name, text in files.items():
        path = source / (name.replace("__", "/") + ".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        if path.parent != source:
            (path.parent / "__init__.py").touch()
    return source


def test_this_house_is_sound(floors: ModuleType, root: Path) -> None:
    assert floors.faults(root / "src" / "eyas") == []


def test_downward_imports_pass(floors: ModuleType, tmp_path: Path) -> None:
    source = house(
        tmp_path,
        data__sources="from eyas.files import x\ndef f():\n    from eyas.world import y\n",
        files="x = 1\n",
        world__people="from eyas.text.tokenizer import z\ny = 2\n",
        text__tokenizer="from eyas import __version__\nz = 3\n",
        cli__main="import eyas.life\n",
        life="from eyas import data, world\n",
    )
    assert floors.faults(source) == []


@pytest.mark.parametrize(
    "statement",
    [
        "from eyas.train.trainer import train",
        "import eyas.train.trainer",
        "import eyas.train.trainer as t",
        "from eyas import train",
        "from .. import train",
        "from ..train import trainer",
        "def f():\n    from eyas.train import trainer",
        "class A:\n    def f(self):\n        import eyas.train",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from eyas.train import trainer",
        "from importlib import import_module\nimport_module('eyas.train.trainer')",
        "try:\n    import eyas.train\nexcept ImportError:\n    pass",
    ],
)
def test_an_upward_import_is_seen_however_it_is_written(floors: ModuleType, tmp_path: Path, statement: str) -> None:
    source = house(tmp_path, data__packing=statement + "\n", train__trainer="train = 1\n")
    found = floors.faults(source)
    assert len(found) >= 1 and "packing.py" in found[0] and "`data` imports upward from `train`" in found[0]


def test_a_later_room_of_the_same_floor_is_upward(floors: ModuleType, tmp_path: Path) -> None:
    source = house(tmp_path, store__names="from eyas.data import rows\n", data__rows="")
    assert "`store` imports upward from `data`" in floors.faults(source)[0]


def test_a_circle_of_rooms_is_seen_when_half_of_it_is_lazy(floors: ModuleType, tmp_path: Path) -> None:
    source = house(
        tmp_path,
        data__rows="def f():\n    from eyas.world import people\n",
        world__people="def g():\n    from eyas.data import rows\n",
    )
    assert any("`world` imports upward from `data`" in fault for fault in floors.faults(source))


def test_a_circle_within_a_room_is_seen(floors: ModuleType, tmp_path: Path) -> None:
    source = house(
        tmp_path,
        data__a="from eyas.data.b import x\n",
        data__b="from eyas.data import c\n",
        data__c="from .a import y\n",
    )
    found = floors.faults(source)
    assert len(found) == 1 and "a circle of imports: data/a.py -> data/b.py -> data/c.py -> data/a.py" in found[0]


def test_a_room_without_a_floor_is_refused(floors: ModuleType, tmp_path: Path) -> None:
    source = house(tmp_path, utils__misc="", data__rows="import eyas.utils\n")
    found = floors.faults(source)
    assert any("room `utils` stands on no floor" in fault for fault in found)
    assert any("`eyas.utils`, which stands on no floor" in fault for fault in found)


def test_the_program_exits_with_one_and_names_the_line(root: Path, tmp_path: Path) -> None:
    source = house(tmp_path, text__chat="\n\nfrom eyas.cli import main\n", cli__main="")
    done = subprocess.run(
        [sys.executable, str(root / "tools" / "floors.py"), str(source)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "chat.py:3: `text` imports upward from `cli`" in done.stderr
