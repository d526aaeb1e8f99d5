"""The ancestor's published scores, from ``mlopt test-rules`` on real files under its own recipes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

UPSTREAM = Path(__file__).parent.parent / "data" / "upstream"
NOTHING: tuple[str, ...] = ()
TRAINING, INFERENCE = "workload.type=training", "workload.type=inference"
PYTORCH = "workload.framework=pytorch"
NO_GPU = "system.gpu_count=0"

# Recipe, rule, file, size, what is known, score as it is printed in the ancestor's analysis, exact score.
CASES = [
    ("custom_ml_optimization", "large_model_chunked_loading", "m.pth", 1000, NOTHING, ".526", 1.0 / 1.9),
    ("defaults", "tfrecord_streaming_optimization", "a.tfrecord", 1000, NOTHING, ".526", 1.0 / 1.9),
    ("pytorch_optimized", "pytorch_checkpoint_handling", "checkpoint-1.pth", 10, NOTHING, ".526", 1.0 / 1.9),
    ("defaults", "dataset_batch_optimize", "a.csv", 1000, NOTHING, ".529", 0.9 / (0.9 + 0.8)),
    ("defaults", "pytorch_model_caching", "a.pt", 1000, NOTHING, ".556", 1.0 / 1.8),
    (
        "custom_ml_optimization", "distributed_training_coordination", "a.csv", 1000, (TRAINING, NO_GPU),
        ".556", 1.0 / 1.8,
    ),
    (
        "custom_ml_optimization", "inference_latency_optimization", "a.csv", 1000,
        (INFERENCE, "workload.batch_size=64"), ".588", 1.0 / 1.7,
    ),
    ("defaults", "workload_aware_coordination", "a.csv", 1000, (TRAINING, NO_GPU), ".6", 0.9 / (0.9 + 0.6)),
    ("defaults", "pytorch_tensor_prefetch", "a.pt", 1000, (PYTORCH,), ".346", 0.9 / (1.0 + 0.9 + 0.7)),
    (
        "custom_ml_optimization", "training_data_pipeline_optimization", "m.pth", 1000, (TRAINING,),
        ".37", 1.0 / (1.0 + 0.8 + 0.9),
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("recipe", "rule", "name", "size", "facts", "printed", "score"),
    CASES,
    ids=[f"{case[1]} {case[5]}" for case in CASES],
)
def test_rules_score_files_as_the_ancestor_published(
    tmp_path: Path,
    recipe: str,
    rule: str,
    name: str,
    size: int,
    facts: tuple[str, ...],
    printed: str,
    score: float,
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / name).write_bytes(os.urandom(size))
    words = [str(data), "-r", str(UPSTREAM / f"{recipe}.yaml"), "--json"]
    for fact in facts:
        words += ["--fact", fact]
    done = subprocess.run(
        [sys.executable, "-m", "mlopt_cli.main", "test-rules", *words],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (file,) = [entry for entry in json.loads(done.stdout)["result"]["files"] if entry["kind"] == "file"]
    (found,) = [each for each in file["rules"] if each["id"] == rule]
    assert found["score"] == score
    assert abs(found["score"] - float(printed)) < 0.0005
    threshold = {"defaults": 0.5, "pytorch_optimized": 0.7, "custom_ml_optimization": 0.65}[recipe]
    assert found["fires"] is (found["score"] > threshold)
