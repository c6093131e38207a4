import os
import subprocess
import sys
from pathlib import Path

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "gpu.py"


def test_gpu_benchmark_without_a_gpu_says_so_in_one_sentence_and_fails() -> None:
    hidden = os.environ | {"CUDA_VISIBLE_DEVICES": ""}
    ended = subprocess.run([sys.executable, BENCHMARK], check=False, capture_output=True, text=True, env=hidden)
    assert ended.returncode == 1
    assert ended.stderr.startswith("this benchmark needs a GPU") and ended.stderr.count("\n") == 1
