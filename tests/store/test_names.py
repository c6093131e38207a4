"""What a MODEL name means."""

from pathlib import Path

import pytest

from eyas.errors import EyasError
from eyas.store.names import models_of, resolve_model, speakers_of


@pytest.fixture
def life(tmp_path: Path) -> Path:
    for name in ("base", "assistant"):
        folder = tmp_path / "life" / "models" / name
        folder.mkdir(parents=True)
        (folder / "config.json").write_text("{}")
    (tmp_path / "life" / "models" / "unfinished").mkdir()
    return tmp_path / "life"


def test_a_model_folder_is_itself(life: Path) -> None:
    assert resolve_model(life / "models" / "base") == life / "models" / "base"


def test_a_name_inside_a_life(life: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert resolve_model(f"{life}/assistant") == life / "models" / "assistant"
    monkeypatch.chdir(life.parent)
    assert resolve_model("life/assistant") == Path("life/models/assistant")


def test_the_models_of_a_life_are_those_with_a_config(life: Path) -> None:
    assert [path.name for path in models_of(life)] == ["assistant", "base"]
    assert models_of(life / "models") == []


def test_reward_models_do_not_speak(life: Path) -> None:
    for name, kind in (("judge", "Qwen3ForSequenceClassification"), ("dpo", "Qwen3ForCausalLM")):
        (life / "models" / name).mkdir()
        (life / "models" / name / "config.json").write_text(f'{{"architectures": ["{kind}"]}}')
    assert [path.name for path in speakers_of(life)] == ["assistant", "base", "dpo"]
    (life / "models" / "dpo" / "config.json").write_text("{")
    with pytest.raises(EyasError, match="model config .*dpo/config.json is damaged"):
        speakers_of(life)


def test_a_life_is_not_a_model_and_its_models_are_offered(life: Path) -> None:
    with pytest.raises(EyasError, match="is a life, not a model; name one of its models: .*assistant or .*base"):
        resolve_model(life)


def test_a_wrong_name_inside_a_life_offers_the_right_ones(life: Path) -> None:
    with pytest.raises(EyasError, match="there is no model .*asistant; this life has .*assistant, .*base"):
        resolve_model(f"{life}/asistant")


def test_a_folder_without_a_config_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EyasError, match=r"no model folder: it has no config\.json"):
        resolve_model(tmp_path)


def test_a_bare_owner_and_name_never_reaches_the_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.snapshot_download", lambda *a, **k: pytest.fail("the network was used"))
    with pytest.raises(EyasError, match="hf:OWNER/NAME to fetch one"):
        resolve_model("owner/name")


def test_a_hub_name_is_fetched_when_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def fetch(repository: str, allow_patterns: list[str]) -> str:
        asked.append(repository)
        assert "*.safetensors" in allow_patterns and not any(".bin" in one or ".py" in one for one in allow_patterns)
        return str(tmp_path)

    monkeypatch.setattr("huggingface_hub.snapshot_download", fetch)
    assert resolve_model("hf:owner/name") == tmp_path
    assert asked == ["owner/name"]


def test_a_hub_that_cannot_be_reached_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def fetch(*_: object, **__: object) -> str:
        raise OSError("no route\nto the host")

    monkeypatch.setattr("huggingface_hub.snapshot_download", fetch)
    with pytest.raises(EyasError, match="^hf:owner/name cannot be fetched: no route$"):
        resolve_model("hf:owner/name")
