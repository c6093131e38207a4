"""The tokenizer: `tokenizer.json` is the reference, tiktoken's core encodes the same ids faster."""

import hashlib
import json
import re
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import rustbpe
import tiktoken
import tokenizers

from eyas.errors import EyasError
from eyas.files import read_json, write_atomic
from eyas.text.blanks import cut_blanks
from eyas.text.bpe import QWEN2_PATTERN, SPECIAL_TOKENS, build_spec, dump_spec, grouped, read_layout, to_chars
from eyas.text.pieces import is_pieces, read_pieces

CHAT_TEMPLATE = (Path(__file__).parent / "chat_template.jinja").read_text(encoding="utf-8")
MIN_VOCAB_SIZE = len(SPECIAL_TOKENS) + 256

_CONFIG = {
    "add_bos_token": False,
    "add_prefix_space": False,
    "bos_token": "<|endoftext|>",
    "clean_up_tokenization_spaces": False,
    "eos_token": "<|endoftext|>",
    "pad_token": "<|pad|>",
    "tokenizer_class": "PreTrainedTokenizerFast",
    "unk_token": None,
}


class Tokenizer:
    """A BPE tokenizer: eyas's own byte-level one, or a foreign one of its kind or of SentencePiece's (`pieces`).

    Text is data: `encode` and `encode_batch` never yield a special id, whatever the text spells. Lone surrogates,
    which no UTF-8 can carry, are encoded as U+FFFD.
    """

    def __init__(self, spec: dict[str, Any], config: dict[str, Any] | None = None, name: str = "tokenizer.json"):
        """`spec` is the parsed `tokenizer.json`, `config` the parsed `tokenizer_config.json`. Raises EyasError."""
        layout = read_pieces(spec, name) if is_pieces(spec) else read_layout(spec, name)
        self._spec = spec
        self.pieces = layout.pieces
        """Bytes that encoding puts before every text: the space of SentencePiece, else 0."""
        self.prefix_bytes = int(layout.space_first)
        self.vocab_size = len(layout.token_bytes)
        self.special: dict[str, int] = layout.special
        if config is None:  # of the tokens that ours names, keep those this tokenizer has
            named = ("bos_token", "eos_token", "pad_token")
            config = {key: value for key, value in _CONFIG.items() if key not in named or value in self.special}
        self._config = config
        self.dtype = np.dtype(np.uint16 if self.vocab_size <= 1 << 16 else np.uint32)
        self._bytes = layout.token_bytes
        self.special_ids = frozenset(self.special.values())
        """Bytes of text that each id stands for, int32 (vocab_size,); 0 for specials and unused ids."""
        self.token_bytes = np.array(
            [0 if i in self.special_ids else len(data) for i, data in enumerate(self._bytes)], dtype=np.int32
        )
        try:
            self._plain = tokenizers.Tokenizer.from_str(json.dumps(layout.plain_spec))
        except Exception as error:  # the library raises bare Exception
            raise EyasError(f"{name} is damaged: {error}") from error
        self._nfc = layout.nfc
        self._qwen2 = layout.pattern == QWEN2_PATTERN
        self._core: Any = None
        if layout.pattern is not None and self._ranks_suffice(layout.merged, layout.ranks):
            try:
                self._core = tiktoken.Encoding(
                    name, pat_str=grouped(layout.pattern), mergeable_ranks=layout.ranks, special_tokens=_UNUSED
                )._core_bpe
            except ValueError:  # a regex that tiktoken's engine does not know: the slow way is right too
                self._core = None

    def _ranks_suffice(self, merged: Sequence[bytes], ranks: dict[bytes, int]) -> bool:
        """Whether merging the lowest-ranked concatenation (tiktoken) equals applying the list of merges.

        It does when ids rise with the merges, each token has one merge, and each comes out whole from its own bytes.
        """
        ids = [ranks[token] for token in merged]
        if any(a >= b for a, b in pairwise(ids)):
            return False
        tokenize = self._plain.model.tokenize
        return all(len(parts := tokenize(to_chars(token))) == 1 and parts[0].id == ranks[token] for token in merged)

    @classmethod
    def load(cls, path: Path | str) -> "Tokenizer":
        """Read a model folder or a `tokenizer.json`. Raises EyasError naming the file and what is wrong with it."""
        path = Path(path)
        file = path / "tokenizer.json" if path.is_dir() else path
        spec = read_json(file, "tokenizer")
        beside = file.with_name("tokenizer_config.json")
        config = read_json(beside, "tokenizer config") if beside.exists() else None
        if config is not None and not isinstance(config, dict):
            raise EyasError(f"tokenizer config {beside} is damaged: it holds no object")
        template = file.with_name("chat_template.jinja")
        if config is not None and template.exists():
            config["chat_template"] = template.read_text(encoding="utf-8", errors="replace")
        return cls(spec, config, str(file))

    def save(self, folder: Path | str) -> None:
        """Write `tokenizer.json`, `tokenizer_config.json` and `chat_template.jinja` into `folder`."""
        folder = Path(folder)
        # A foreign class could rebuild the tokenizer from other parts (the Qwen class forces NFC): the file decides.
        config = {key: value for key, value in self._config.items() if key not in ("chat_template", "auto_map")}
        config |= {"tokenizer_class": "PreTrainedTokenizerFast", "add_bos_token": False}
        write_atomic(folder / "tokenizer.json", dump_spec(self._spec) + "\n")
        config_text = json.dumps(config, ensure_ascii=False, indent=2, sort_keys=True)
        write_atomic(folder / "tokenizer_config.json", config_text + "\n")
        if self.chat_template is not None:
            write_atomic(folder / "chat_template.jinja", self.chat_template)

    @property
    def spec(self) -> dict[str, Any]:
        """The parsed `tokenizer.json`; not to be changed."""
        return self._spec

    @property
    def chat_template(self) -> str | None:
        """Eyas's own template where the tokenizer has ChatML's marks, else the one it came with, if any."""
        if "<|im_start|>" in self.special:
            return CHAT_TEMPLATE
        own = self._config.get("chat_template")
        return own if isinstance(own, str) else None

    def __reduce__(self) -> tuple[Any, ...]:
        return (Tokenizer, (self._spec, self._config))

    @cached_property
    def fingerprint(self) -> str:
        """Hex SHA-256 of the tokenizer's content: equal for equal tokenizers, however their files are laid out."""
        return hashlib.sha256(json.dumps(self._spec, sort_keys=True).encode()).hexdigest()

    # -- special tokens

    def _named(self, *names: Any) -> int:
        for name in names:
            name = name.get("content") if isinstance(name, dict) else name
            if name in self.special:
                return self.special[name]
        raise EyasError(f"this tokenizer has no {names[0]} token; use one that has, or train one with eyas tokenizer")

    @property
    def start(self) -> int:
        """The id that documents begin with: `endoftext`, or the mark of their own that some foreign tokenizers have."""
        name = self._config.get("bos_token")
        name = name.get("content") if isinstance(name, dict) else name
        return self.special[name] if isinstance(name, str) and name in self.special else self.endoftext

    @property
    def endoftext(self) -> int:
        """The id that separates and ends documents (a foreign tokenizer's end of text)."""
        return self._named("<|endoftext|>", "<|end_of_text|>", self._config.get("eos_token"))

    @property
    def im_start(self) -> int:
        return self._named("<|im_start|>")

    @property
    def im_end(self) -> int:
        return self._named("<|im_end|>")

    @property
    def pad(self) -> int:
        """The id that fills up a batch; never an end, except in tokenizers that have nothing else."""
        names = ("<|pad|>", self._config.get("pad_token"), "<|endoftext|>", "<|end_of_text|>")
        return self._named(*names, self._config.get("eos_token"))

    @cached_property
    def special_pattern(self) -> re.Pattern[str]:
        """Matches any special token, the longest first."""
        names = sorted(self.special, key=len, reverse=True)
        return re.compile("|".join(map(re.escape, names)) if names else r"(?!)")

    # -- text to ids

    def encode(self, text: str) -> list[int]:
        """Ids of `text` taken as data. Never a special id."""
        ids: list[int] = self._encode(text).tolist()
        return ids

    def encode_batch(self, texts: Sequence[str], threads: int = 2) -> list[np.ndarray[Any, Any]]:
        """Ids of each text, as uint16 (uint32 when the vocabulary is larger than 65,536)."""
        if threads <= 1 or len(texts) < 2:
            return [self._encode(text) for text in texts]
        # Slices of about 256k characters: few enough hand-overs for short texts, even load for long ones.
        bounds, size = [0], 0
        for i, text in enumerate(texts):
            size += len(text) + 64
            if size >= 1 << 18:
                bounds.append(i + 1)
                size = 0
        slices = [texts[a:b] for a, b in zip(bounds, [*bounds[1:], len(texts)], strict=True) if a < b]
        with ThreadPoolExecutor(threads) as pool:
            done = pool.map(lambda part: [self._encode(text) for text in part], slices)
            return [ids for part in done for ids in part]

    def _encode(self, text: str) -> np.ndarray[Any, Any]:
        if self._core is None or (self._nfc and not text.isascii()):
            return self._encode_plain(text)
        try:
            if self._qwen2 and (parts := cut_blanks(text)):
                found = [self._core.encode_single_piece(p.encode()) if whole else self._fast(p) for p, whole in parts]
                return np.concatenate(found).astype(self.dtype)
            return self._fast(text)
        except UnicodeEncodeError:
            return self._encode(mend(text))
        except ValueError:  # the regex engine gave up on a very long run of white space
            return self._encode_plain(text)

    def _fast(self, text: str) -> np.ndarray[Any, Any]:
        buffer = self._core.encode_to_tiktoken_buffer(text, _NONE)
        return np.frombuffer(buffer, dtype=np.uint32).astype(self.dtype)

    def _encode_plain(self, text: str) -> np.ndarray[Any, Any]:
        return np.array(self._plain.encode(mend(text), add_special_tokens=False).ids, dtype=self.dtype)

    # -- ids to text

    def decode_bytes(self, ids: Iterable[int], special: bool = True) -> bytes:
        """The bytes that `ids` stand for; specials as their names, or left out. Raises EyasError on ids out of range.

        A model's vocabulary may be padded beyond the tokenizer's, so unused ids give nothing; negative ones are a bug.
        """
        parts = []
        for i in ids:
            if i < 0:
                raise EyasError(f"token id {i} cannot be decoded; ids are 0 to {self.vocab_size - 1}")
            if i < self.vocab_size and (special or i not in self.special_ids):
                parts.append(self._bytes[i])
        return b"".join(parts)

    def decode(self, ids: Iterable[int], special: bool = True) -> str:
        """The text of `ids`; bytes that are not UTF-8 become U+FFFD."""
        return self.decode_bytes(ids, special).decode("utf-8", "replace")


_NONE: frozenset[str] = frozenset()
# tiktoken looks for special tokens even where none is allowed, and with none defined it stops at every character (half
# the speed). This one is never allowed, so a text that spells it is plain text like any other.
_UNUSED = {"\uffff no special token \uffff": (1 << 32) - 2}


def mend(text: str) -> str:
    """`text` as UTF-8 can carry it: surrogate pairs joined, lone surrogates as U+FFFD."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def train_tokenizer(
    texts: Iterable[str], vocab_size: int = 4096, progress: Callable[[int], None] | None = None
) -> Tokenizer:
    """Learn a tokenizer of `vocab_size` tokens (16 specials and 256 bytes included) from a stream of texts.

    The same texts in any order give the same tokenizer. A corpus with too few different words gives a smaller
    vocabulary and a warning that says so. `progress` is called with the characters read so far. Raises EyasError.
    """
    if vocab_size < MIN_VOCAB_SIZE:
        raise EyasError(f"--vocab-size {vocab_size} is too small; 16 specials and 256 bytes need {MIN_VOCAB_SIZE}")
    seen = 0

    def stream() -> Iterator[str]:
        nonlocal seen
        for text in texts:
            seen += len(text)
            text = mend(text)
            # A run of a hundred thousand blanks teaches nothing and overflows the regex engine's stack.
            yield from (part for part, whole in cut_blanks(text) or [(text, False)] if not whole)
            if progress is not None:
                progress(seen)

    trainer = rustbpe.Tokenizer()
    trainer.train_from_iterator(stream(), vocab_size - len(SPECIAL_TOKENS), pattern=grouped(QWEN2_PATTERN))
    if seen == 0:
        raise EyasError("the corpus is empty, so no tokenizer can be trained; name a source that holds text")
    ranks = sorted((rank, bytes(token)) for token, rank in trainer.get_mergeable_ranks())
    tok = Tokenizer(build_spec([token for rank, token in ranks if rank >= 256]))
    if tok.vocab_size < vocab_size:
        warnings.warn(
            f"the corpus is too small for {vocab_size} tokens: the vocabulary has {tok.vocab_size}", stacklevel=2
        )
    return tok
