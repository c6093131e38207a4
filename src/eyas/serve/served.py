"""The models that are served: loaded when first asked for, and the champion followed wherever the store moves it."""

import asyncio
import hashlib
import logging
import threading
import time
from pathlib import Path

from eyas.errors import EyasError
from eyas.files import sha256_file
from eyas.runtime.engine import Engine
from eyas.runtime.opening import GGUF, open_engine
from eyas.serve.config import ServeConfig, Share, share_of
from eyas.serve.errors import ApiError
from eyas.serve.generation import Worker
from eyas.store.champion import aliases, champion
from eyas.store.database import Store
from eyas.store.names import ALIASES, resolve_model, speakers_of

_LOG = logging.getLogger(__name__)

NAME = "eyas"
"""The model that clients name when they mean whichever is best: the champion, or the canary for its share."""
_LOOKS = 0.2  # seconds between looks at the store
_LOADED = 4  # models kept ready; of more, the one that was longest not asked goes


class ServedModel:
    """A loaded model and the thread that runs it. `created` is when its files were written, in seconds since 1970."""

    def __init__(self, name: str, path: Path, config: ServeConfig) -> None:
        self.name, self.path = name, path
        self.engine: Engine = open_engine(path, kind=config.engine, threads=config.threads)
        self.sha256 = _weights_sha256(path)
        self.created = int(path.stat().st_mtime)
        self.worker = Worker(self.engine, name, config.queue)
        self.used = time.monotonic()
        special = set(self.engine.tokenizer.special)
        self.chats = {"<|im_start|>", "<|im_end|>"} <= special


class Served:
    """Names to models. Any thread may ask; `get` is for the event loop."""

    def __init__(self, config: ServeConfig, life: Path | None, store: Store | None) -> None:
        self.config, self.life, self.store = config, life, store
        self.canary, self.shadow = share_of(config.canary), share_of(config.shadow)
        self._loaded: dict[str, ServedModel] = {}
        self._lock = threading.Lock()
        self._loading: dict[str, threading.Lock] = {}
        self._aliases: dict[str, str] = {}
        self._closing = threading.Event()
        self._watcher: threading.Thread | None = None

    def start(self) -> None:
        """Load what is served first, then follow the store. Raises EyasError for a model that cannot be loaded."""
        if self.life is None:
            self._aliases = {"champion": self._path("").resolve().name.removesuffix(GGUF)}
        else:
            self._aliases = self._stored_aliases()
        self.load(self._aliases["champion"])
        for share in (self.canary, self.shadow):
            if share is not None:
                self._check(share)
        if self.store is not None:
            self._watcher = threading.Thread(target=self._follow, name="champion", daemon=True)
            self._watcher.start()

    def close(self) -> None:
        """End all threads; running answers are cut off."""
        self._closing.set()
        if self._watcher is not None:
            self._watcher.join()
        for model in self._loaded.values():
            model.worker.join()

    def names(self) -> list[str]:
        """The models that can be asked for, the champion first."""
        best = self._aliases["champion"]
        if self.life is None:
            return [best]
        return [best, *(path.name for path in speakers_of(self.life) if path.name != best)]

    @property
    def aliases(self) -> dict[str, str]:
        """Alias -> model, as of the last look at the store; `champion` is always there."""
        return dict(self._aliases)

    def resolve(self, name: str | None, key: str = "") -> str:
        """The model that a client means by `name`; `key` names the conversation, which stays with one of champion and
        canary. Raises ApiError 404."""
        if name in (None, "", NAME):
            if self.canary is not None and falls_in(self.canary.share, f"canary {key}"):
                return self.resolve(self.canary.name)
            return self._aliases["champion"]
        assert name is not None
        if name in self._aliases:
            return self._aliases[name]
        if name in self.names():
            return name
        known = ", ".join([NAME, *self._aliases, *self.names()])
        raise ApiError(
            404, f"there is no model {name[:200]!r}; this server has {known}", code="model_not_found", param="model"
        )

    async def get(self, name: str | None, key: str = "") -> ServedModel:
        """The model that a client means, loaded. Raises ApiError 404 for an unknown one, 503 for one that fails."""
        found = self.resolve(name, key)
        model = self._loaded.get(found)
        if model is None:
            try:
                model = await asyncio.to_thread(self.load, found)
            except EyasError as error:
                raise ApiError(503, f"the model {found} cannot be loaded: {error}", code="model_unavailable") from error
        model.used = time.monotonic()
        return model

    def load(self, name: str) -> ServedModel:
        """The model of this very name, loaded when it is not yet. Raises EyasError."""
        with self._lock:
            loading = self._loading.setdefault(name, threading.Lock())
        with loading:
            if name not in self._loaded:
                model = ServedModel(name, self._path(name), self.config)
                with self._lock:
                    self._loaded[name] = model
                    self._make_room(name)
            return self._loaded[name]

    def loaded(self) -> list[ServedModel]:
        """The models that are ready."""
        with self._lock:
            return list(self._loaded.values())

    def _path(self, name: str) -> Path:
        """Where the model of this name is; of the one model, when there is no life."""
        if self.life is not None:
            return resolve_model(self.life / name)
        path = Path(self.config.model)
        return path if path.suffix == GGUF else resolve_model(self.config.model)

    def _make_room(self, newest: str) -> None:
        """Let go of models beyond the limit; what they are saying they say to the end."""
        kept = {newest, *self._aliases.values()}
        idle = sorted((model for model in self._loaded.values() if model.name not in kept), key=lambda one: one.used)
        for model in idle[: max(0, len(self._loaded) - _LOADED)]:
            del self._loaded[model.name]
            model.worker.close()

    def _check(self, share: Share) -> None:
        if share.name not in ALIASES and share.name not in self.names():
            raise EyasError(
                f"there is no model {share.name} to take its share; this life has {', '.join(self.names())}"
            )

    def _stored_aliases(self) -> dict[str, str]:
        assert self.store is not None and self.life is not None
        with self.store.session() as session:
            found = aliases(session)
        return found | {"champion": champion(self.life, self.store)}

    def _follow(self) -> None:
        """Look at the store again and again; a new champion is loaded before the first request meets it."""
        while not self._closing.wait(_LOOKS):
            try:
                aliases = self._stored_aliases()
                if aliases != self._aliases:
                    self.load(aliases["champion"])
                    _LOG.warning("now serving %s", aliases["champion"])
                    self._aliases = aliases
            except Exception:  # a store that is locked, a model that is no more: what is served stays
                _LOG.exception("the store's champion cannot be followed; %s stays", self._aliases["champion"])
                self._closing.wait(5)


def falls_in(share: float, key: str) -> bool:
    """Whether `key` is among the `share` of all keys that are chosen: the same key always, keys evenly."""
    return int.from_bytes(hashlib.blake2b(key.encode(), digest_size=8).digest(), "big") < share * 2**64


def _weights_sha256(path: Path) -> str | None:
    """The hash of a model's weights (of the index of sharded ones), as lineages name it."""
    files = [path] if path.is_file() else [path / "model.safetensors", path / "model.safetensors.index.json"]
    return next((sha256_file(file) for file in files if file.is_file()), None)
