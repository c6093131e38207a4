"""Text of the kind pretrained on, beside a lesson: what was learnt from it stays."""

from collections.abc import Sequence

from eyas.data.build import build_shards
from eyas.data.packing import PackedRows
from eyas.data.shards import Shards
from eyas.text.tokenizer import Tokenizer
from eyas.train.distributed import Ranks
from eyas.train.work import Work


def replay_rows(
    sources: Sequence[str], tokenizer: Tokenizer, work: Work, ranks: Ranks, *, n_tokens: int, seq_len: int,
    batch_size: int, seed: int, people: int | None, skip_bad: bool,
) -> PackedRows:  # fmt: skip
    """Packed rows of about `n_tokens` of the text of `sources`, built once in the work folder. Raises EyasError."""
    folder = work.folder / "replay"
    if ranks.first:
        build_shards(
            sources, tokenizer, folder, n_tokens=n_tokens, val_fraction=0, seed=seed, people=people, skip_bad=skip_bad
        )
    ranks.wait()
    return PackedRows(Shards.load(folder, verify=False).train, seq_len, batch_size, seed + 1)
