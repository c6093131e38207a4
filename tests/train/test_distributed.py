import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

# Each process reads its own batches; two ranks with one batch each must equal one process that accumulates both.
SCRIPT = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from conftest import LENGTH, VOCAB, Counting
from eyas.model.config import ModelConfig
from eyas.model.transformer import Transformer
from eyas.train.objectives import language_loss
from eyas.train.trainer import TrainConfig, train

class Masked(Counting):
    def batch(self, step):
        batch = super().batch(step)
        batch["targets"][: step % 3, 4:] = -100
        return batch

model = Transformer(ModelConfig(VOCAB, 2, 32, 1, 1, 32, 64, LENGTH))
model.init_weights(0)
config = TrainConfig(steps=6, accumulate=int(sys.argv[3]), compile="off", precision="fp32", save_every=4)
train(model, Masked(), language_loss, config, Path(sys.argv[1]))
"""


def run(out: Path, accumulate: int, world: int) -> list[float]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    processes = []
    for rank in range(world):
        ranks = {} if world == 1 else {
            "RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(world), "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": str(port),
        }  # fmt: skip
        command = [sys.executable, "-c", SCRIPT, str(out), str(Path(__file__).parent), str(accumulate)]
        processes.append(subprocess.Popen(command, env=os.environ | ranks))
    assert [process.wait(timeout=300) for process in processes] == [0] * world
    return [json.loads(line)["loss"] for line in (out / "metrics.jsonl").read_text().splitlines()]


def test_two_processes_equal_one_that_accumulates(tmp_path: Path) -> None:
    alone = run(tmp_path / "alone", 2, 1)
    together = run(tmp_path / "together", 1, 2)
    assert together == pytest.approx(alone, rel=1e-3)
    assert len(list((tmp_path / "together").glob("step-*.safetensors"))) == 2
