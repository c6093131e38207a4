"""The stage `eyas tokenizer`: a tokenizer from sources of text."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field

from eyas.config import StageConfig
from eyas.data.documents import Tally
from eyas.data.sources import texts
from eyas.errors import EyasError
from eyas.files import folder_atomic
from eyas.progress import Progress
from eyas.text.tokenizer import train_tokenizer

SAMPLE_BYTES = 1_000_000


class TokenizerConfig(StageConfig):
    """What to learn a tokenizer from, and how large it becomes."""

    data: list[str] = Field(min_length=1, description="A source of text, SRC[:weight]; may be repeated.")
    out: Path = Field(description="The folder to write.")
    vocab_size: int = Field(4096, ge=272, description="Tokens, the 16 special ones and the 256 bytes included.")
    megabytes: float = Field(20.0, gt=0, description="Read at most this much text.")
    people: int | None = Field(None, ge=1, description="Population of the world, where it is a source.")
    seed: int = Field(0, ge=0, description="Seed of sources that are drawn, such as the world.")
    skip_bad: bool = Field(False, description="Count broken documents instead of stopping at them.")


@dataclass(frozen=True)
class TokenizerResult:
    """What came out; `bytes_per_token` is measured on the first megabyte that was read."""

    out: Path
    vocab_size: int
    text_bytes: int
    bytes_per_token: float
    left_out: dict[str, int]
    seconds: float


def run(config: TokenizerConfig, progress: Progress | None = None) -> TokenizerResult:
    """Train a tokenizer and write it to `config.out`, whole or not at all. Raises EyasError."""
    start = time.monotonic()
    if config.out.exists():
        raise EyasError(f"{config.out} exists already; choose another name or remove it first")
    tally = Tally()
    read = 0
    sample: list[str] = []

    def watched() -> Iterator[str]:
        nonlocal read
        for text in texts(
            config.data,
            max_bytes=round(config.megabytes * 1e6),
            seed=config.seed,
            people=config.people,
            skip_bad=config.skip_bad,
            tally=tally,
        ):
            if read < SAMPLE_BYTES:
                sample.append(text)
            read += len(text.encode("utf-8", "surrogatepass"))
            if progress is not None:
                progress.update(read)
            yield text

    tokenizer = train_tokenizer(watched(), config.vocab_size)
    with folder_atomic(config.out) as beside:
        tokenizer.save(beside)
    ids = tokenizer.encode_batch(sample)
    sample_bytes = sum(len(text.encode("utf-8", "surrogatepass")) for text in sample)
    return TokenizerResult(
        out=config.out,
        vocab_size=tokenizer.vocab_size,
        text_bytes=read,
        bytes_per_token=sample_bytes / max(1, sum(len(one) for one in ids)),
        left_out=dict(tally.counts),
        seconds=time.monotonic() - start,
    )
