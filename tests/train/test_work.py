"""What a refused run leaves behind: nothing."""

from pathlib import Path

import pytest

from eyas.errors import EyasError
from eyas.train import finetune, pretrain
from eyas.train.distributed import Ranks
from eyas.train.work import Work


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"data": ["nowhere.txt"]}, "no such file"),
        ({"data": ["world"], "size": "0"}, "--size 0"),
        ({"data": ["EMPTY"]}, "empty"),
        ({"data": ["SHORT"], "size": "0.3m", "batch_size": 64}, "less than one batch"),
    ],
)
def test_bad_input_to_pretraining_leaves_no_folder(settings: dict[str, object], why: str, tmp_path: Path) -> None:
    (tmp_path / "empty.txt").touch()
    (tmp_path / "short.txt").write_text("It rained. " * 40)
    names = {"EMPTY": str(tmp_path / "empty.txt"), "SHORT": str(tmp_path / "short.txt")}
    data = [names.get(str(one), str(one)) for one in settings["data"]]  # type: ignore[attr-defined]
    before = sorted(tmp_path.iterdir())
    config = {"out": tmp_path / "model", "quiet": True, **settings, "data": data}
    with pytest.raises(EyasError, match=why):
        pretrain.run(pretrain.PretrainConfig(**config))  # type: ignore[arg-type]
    assert sorted(tmp_path.iterdir()) == before


def test_finetuning_what_is_no_model_leaves_no_folder(tmp_path: Path) -> None:
    config = finetune.FinetuneConfig(model=str(tmp_path / "none"), out=tmp_path / "new", data=["world"], quiet=True)
    with pytest.raises(EyasError, match="no model"):
        finetune.run(config)
    assert list(tmp_path.iterdir()) == []


def test_personal_data_is_filtered_by_flag_and_the_choice_is_remembered(tmp_path: Path) -> None:
    text = "\n".join(f"Write to clerk{i}@example.org about the {i}th letter, please." for i in range(400))
    (tmp_path / "letters.txt").write_text(text)
    out = tmp_path / "model"
    config = pretrain.PretrainConfig(
        out=out, data=[str(tmp_path / "letters.txt")], filter=["personal-data"], size="0.3m", tokens=256,
        context=32, vocab_size=300, compile="off", quiet=True,
    )  # fmt: skip
    pretrain.run(config)
    lineage = (out / "lineage.json").read_text()
    assert '"personal-data"' in lineage


def test_what_was_settled_is_not_found_again(tmp_path: Path) -> None:
    config = finetune.FinetuneConfig(model="parent", out=tmp_path / "new", data=["world"])
    first = Work(tmp_path / "new", config).settled("pace", Ranks(), lambda: {"size": "3m"})
    again = Work(tmp_path / "new", config).settled("pace", Ranks(), lambda: pytest.fail("measured again"))
    assert first == again == {"size": "3m"}
