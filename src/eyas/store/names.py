"""What a MODEL name on the command line means."""

from pathlib import Path

from eyas.errors import EyasError
from eyas.files import read_json

HUB_PREFIX = "hf:"
ALIASES = ("champion", "challenger", "previous")
HUB_FILES = ("*.json", "*.safetensors", "*.jinja", "README.md")


def is_model(folder: Path) -> bool:
    """Whether `folder` looks like a model: it has a `config.json`."""
    return (folder / "config.json").is_file()


def models_of(life: Path) -> list[Path]:
    """The model folders of a life, by name; an empty list when `life` is none."""
    folder = life / "models"
    return sorted(path for path in folder.iterdir() if is_model(path)) if folder.is_dir() else []


def speakers_of(life: Path) -> list[Path]:
    """The models of a life that answer; reward models, which only score, are left out. Raises EyasError."""
    return [folder for folder in models_of(life) if not _scores(folder)]


def _scores(folder: Path) -> bool:
    classes = read_json(folder / "config.json", "model config").get("architectures") or []
    return any(str(name).endswith("ForSequenceClassification") for name in classes)


def resolve_model(name: str | Path) -> Path:
    """The folder that `name` stands for: a model folder, `LIFE/NAME`, `LIFE@champion` (or challenger, previous), or
    `hf:OWNER/NAME` from the hub.

    Only the `hf:` form ever uses the network. Raises EyasError naming what was looked for and what there is.
    """
    text = str(name)
    if text.startswith(HUB_PREFIX):
        return _from_hub(text.removeprefix(HUB_PREFIX))
    path = Path(text)
    if is_model(path):
        return path
    inside = path.parent / "models" / path.name
    if is_model(inside):
        return inside
    life, at, alias = text.rpartition("@")
    if at and not path.is_dir() and Path(life).is_dir():
        # The database takes long to load, and few names need it.
        from eyas.store.champion import model_of

        return Path(life) / "models" / model_of(Path(life), alias)
    if models := models_of(path):
        names = " or ".join(str(path / model.name) for model in models)
        raise EyasError(f"{text} is a life, not a model; name one of its models: {names}")
    if path.is_dir():
        raise EyasError(f"{text} is no model folder: it has no config.json")
    if models := models_of(path.parent):
        names = ", ".join(str(path.parent / model.name) for model in models)
        raise EyasError(f"there is no model {text}; this life has {names}")
    raise EyasError(f"there is no model {text}; give a model folder, LIFE/NAME, or hf:OWNER/NAME to fetch one")


def _from_hub(repository: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(repository, allow_patterns=list(HUB_FILES)))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        why = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise EyasError(f"hf:{repository} cannot be fetched: {why}") from error
