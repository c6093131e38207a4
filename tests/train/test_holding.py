"""Corrections are learnt while all else stays: the divergence's gradient, and what a finetuning makes of it."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import kl_div

from eyas.errors import EyasError
from eyas.model.checkpoint import save_model
from eyas.model.config import ModelConfig
from eyas.model.transformer import Transformer
from eyas.store.lineage import new_lineage
from eyas.text.tokenizer import train_tokenizer
from eyas.train.chats import ChatSource, load_chats
from eyas.train.finetune import FinetuneConfig, run
from eyas.train.holding import HOLD, divergence, holding_loss, preferring_and_holding
from eyas.train.objectives import Batch, Metrics, language_loss


def test_the_divergence_and_its_gradients_are_those_of_torch() -> None:
    torch.manual_seed(0)
    hidden = torch.randn(7, 16, requires_grad=True)
    weight = torch.randn(33, 16, requires_grad=True)
    wanted, old = torch.randn(7, 8), torch.randn(33, 8)
    mine = divergence(hidden, weight, wanted, old)
    grads = torch.autograd.grad(3 * mine, (hidden, weight))
    logits = hidden @ weight.T
    theirs = kl_div(logits.log_softmax(-1), (wanted @ old.T).log_softmax(-1), reduction="sum", log_target=True)
    expected = torch.autograd.grad(3 * theirs, (hidden, weight))
    torch.testing.assert_close(mine, theirs)
    torch.testing.assert_close(grads, expected)


def test_rehearsed_rows_move_nothing_at_the_start(tiny: Callable[[], Transformer]) -> None:
    model = tiny()
    batch = {"tokens": torch.randint(0, 64, (4, 16)), "targets": torch.randint(0, 64, (4, 16))}
    batch["targets"][0] = -100  # nothing to learn: all gradients come from the rows that are held
    loss, metrics = holding_loss(tiny(), 1)(model, batch)
    loss.backward()
    assert float(loss) == pytest.approx(0, abs=1e-5) and metrics["weight"] == 48
    assert all(float(p.grad.abs().max()) < 1e-6 for p in model.parameters() if p.grad is not None)


def test_corrections_are_learnt_by_cross_entropy(tiny: Callable[[], Transformer]) -> None:
    model, teacher = tiny(), tiny()
    batch = {"tokens": torch.randint(0, 64, (4, 16)), "targets": torch.randint(0, 64, (4, 16))}
    with torch.no_grad():
        model.embed.weight.add_(0.1 * torch.randn_like(model.embed.weight))
    loss, metrics = holding_loss(teacher, 2)(model, batch)
    first = {name: value[:2] for name, value in batch.items()}
    learnt, _ = language_loss(model, first)
    assert float(loss) == pytest.approx(float(learnt) / 2 + HOLD * metrics["divergence"], rel=1e-4)


def test_preferences_and_rows_to_hold_add_up(tiny: Callable[[], Transformer]) -> None:
    model, teacher = tiny(), tiny()
    with torch.no_grad():
        model.embed.weight.add_(0.1 * torch.randn_like(model.embed.weight))
    batch = {name: torch.randint(0, 64, (4, 16)) for name in ("tokens", "targets")}
    batch |= {"doc_ids": torch.zeros(4, 16, dtype=torch.int64), "sequence": torch.zeros(2, 16, dtype=torch.int64)}

    def preferred(model: nn.Module, batch: Batch) -> tuple[Tensor, Metrics]:
        assert len(batch["tokens"]) == len(batch["sequence"])
        return language_loss(model, batch)

    loss, metrics = preferring_and_holding(preferred, teacher, 3.0)(model, batch)
    alone, _ = language_loss(model, {name: value[:2] for name, value in batch.items()})
    assert metrics["divergence"] > 0
    assert float(loss) == pytest.approx(float(alone) + 3 * metrics["divergence"], rel=1e-4)


def test_an_answer_of_weight_0_is_context(tmp_path: Path) -> None:
    def row(weight: int) -> dict[str, object]:
        turns = [("user", "a"), ("assistant", "wrong"), ("user", "b"), ("assistant", "right")]
        messages: list[dict[str, object]] = [{"role": role, "content": text} for role, text in turns]
        messages[1]["weight"] = weight
        return {"messages": messages}

    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(row(0)) + "\n" + json.dumps(row(1)) + "\n")
    tokenizer = train_tokenizer(["a b wrong right"], 300)
    (ids, context), (_, whole) = load_chats(ChatSource([str(path)]), tokenizer, 0).train
    assert "wrong" in tokenizer.decode([token for token, made in zip(ids, whole, strict=True) if made])
    said = tokenizer.decode([token for token, made in zip(ids, context, strict=True) if made])
    assert "right" in said and "wrong" not in said


def test_shares_that_leave_no_row_to_the_data_are_refused(tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text(json.dumps({"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}))
    tokenizer = train_tokenizer(["a b"], 300)
    model = Transformer(ModelConfig.from_size("0.1m", vocab_size=tokenizer.vocab_size, max_seq_len=64))
    model.init_weights(0)
    old = tmp_path / "old"
    save_model(old, model, tokenizer, lineage=new_lineage("pretrain", {}, out=old))
    asked = FinetuneConfig(
        model=str(old), out=tmp_path / "new", data=[str(rows)], corrections=[str(rows)], replay=[str(rows)],
        corrections_share=0.6, replay_share=0.6, batch_size=4, quiet=True,
    )  # fmt: skip
    with pytest.raises(EyasError, match="--corrections-share"):
        run(asked)
