"""What processes tell of a job, from evidence made by hand and from a real process."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from mlopt_engine.job import ProcessEvidence, job_facts
from mlopt_engine.processes import MOST_PROCESSES, evidence_of, family_of

TORCH = "/usr/lib/python3/dist-packages/torch/lib/libtorch_cpu.so"
TENSORFLOW = "/venv/lib/python3.11/site-packages/tensorflow/libtensorflow_framework.so.2"


def told(*argv: str, libraries: tuple[str, ...] = (), **environment: str) -> dict[str, str | int]:
    facts = job_facts([ProcessEvidence(7, argv, environment, frozenset(libraries))])
    assert facts.pop("workload.process_id") == 7
    return facts


@pytest.mark.parametrize(
    ("argv", "framework", "work"),
    [
        (["python3.11", "train.py", "/data/tensorflow"], None, "training"),
        (["/usr/bin/python", "-u", "src/pretrain_gpt.py"], None, "training"),
        (["torchrun", "--nproc_per_node", "4", "main.py"], "pytorch", "training"),
        (["python", "-m", "torch.distributed.run", "--nnodes=2", "eval.py"], "pytorch", "evaluation"),
        (["accelerate", "launch", "infer.py"], "pytorch", "inference"),
        (["python", "-m", "vllm.entrypoints.openai.api_server"], None, "inference"),
        (["python", "keras_predict.py"], "tensorflow", "inference"),
        (["python", "tools/tokenize.py"], None, "preprocessing"),
        (["python", "constrain.py"], None, None),
        (["python", "-c", "import train"], None, None),
        (["/opt/train/bin/cat", "train.csv"], None, None),
        (["env", "A=1", "python", "-X", "dev", "jax_train.py"], "jax", "training"),
        (["flax-train"], "jax", "training"),
        ([], None, None),
    ],
)
def test_the_program_tells_framework_and_work_and_its_arguments_do_not(
    argv: list[str], framework: str | None, work: str | None
) -> None:
    facts = told(*argv)
    assert (facts.get("workload.framework"), facts.get("workload.type")) == (framework, work)


def test_mapped_libraries_stand_above_words_and_pytorch_above_what_tensorboard_loads() -> None:
    assert told("keras.py", libraries=(TORCH,))["workload.framework"] == "pytorch"
    assert told("x.py", libraries=(TENSORFLOW, TORCH))["workload.framework"] == "pytorch"
    assert told("x.py", libraries=(TENSORFLOW,))["workload.framework"] == "tensorflow"
    assert "workload.framework" not in told("x.py", libraries=("/usr/lib/libc.so.6", "/torches/a.so"))


@pytest.mark.parametrize(
    ("argv", "batch", "workers"),
    [
        (["t.py", "--batch-size", "32", "--workers=4"], 32, 4),
        (["t.py", "--per_device_train_batch_size=8"], 8, None),
        (["t.py", "data.batch_size=64", "data.num_workers=2"], 64, 2),
        (["t.py", "--batch-size", "many"], None, None),
        (["t.py", "--batch-size"], None, None),
        (["t.py", "batch_size", "5"], None, None),
        (["t.py", "--batch-size", "9" * 30], None, None),
    ],
)
def test_numbers_come_from_flags(argv: list[str], batch: int | None, workers: int | None) -> None:
    facts = told(*argv)
    assert (facts.get("workload.batch_size"), facts.get("workload.workers")) == (batch, workers)


def test_ranks_of_one_machine_are_no_rank_of_the_job() -> None:
    ranks = [ProcessEvidence(n, ("t.py",), {"RANK": str(n), "WORLD_SIZE": "16"}) for n in (4, 5)]
    together, alone = job_facts(ranks), job_facts(ranks[:1])
    assert (together.get("workload.rank"), together["workload.world_size"]) == (None, 16)
    assert (alone["workload.rank"], alone["workload.world_size"]) == (4, 16)
    assert told("t.py", SLURM_PROCID="3", SLURM_NTASKS="8") == {
        "workload.rank": 3,
        "workload.world_size": 8,
    }
    assert told("t.py", RANK="x") == {}


def test_a_real_process_and_its_children_are_looked_at(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(
        "import subprocess, sys\n"
        "words = [sys.executable, '-c', 'import sys; sys.stdin.read()']\n"
        "child = subprocess.Popen(words, stdin=subprocess.PIPE)\n"
        "print(child.pid, flush=True)\nsys.stdin.read()\nchild.stdin.close()\nchild.wait()\n"
    )
    environment = {"RANK": "2", "WORLD_SIZE": "4", "SECRET": "not to be kept", "PATH": "/usr/bin"}
    with subprocess.Popen(
        [sys.executable, str(script), "--batch-size", "16"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, text=True,
    ) as job:  # fmt: skip
        assert job.stdout is not None
        child = int(job.stdout.readline())
        family = family_of(job.pid)
        deadline = time.monotonic() + 20  # between fork and exec the child shows its parent's words
        while len(evidence := evidence_of(family)) < 2 or evidence[1].argv == evidence[0].argv:
            assert time.monotonic() < deadline
        job.communicate("")
    assert family == [job.pid, child]
    first = evidence[0]
    assert first.environment == {"RANK": "2", "WORLD_SIZE": "4"}
    assert any("libc" in path for path in first.libraries)
    assert job_facts(evidence) == {
        "workload.process_id": job.pid,
        "workload.type": "training",
        "workload.batch_size": 16,
        "workload.rank": 2,
        "workload.world_size": 4,
    }
    assert evidence_of([job.pid]) == []


def test_no_more_processes_are_looked_at_than_are_worth_it() -> None:
    assert len(evidence_of([1] * 100)) <= 1
    assert len(family_of(1)) <= MOST_PROCESSES
    assert evidence_of([0, -1, 1 << 30]) == []


def test_what_is_loaded_and_who_started_it_tell_the_work_where_the_program_does_not() -> None:
    vllm = "/venv/lib/python3.11/site-packages/vllm/_C.abi3.so"
    assert told("python", "main.py", libraries=(vllm,))["workload.type"] == "inference"
    assert told("python", "main.py", TORCHELASTIC_RUN_ID="7")["workload.type"] == "training"
    assert told("python", "eval.py", TORCHELASTIC_RUN_ID="7")["workload.type"] == "evaluation"
    # ranks alone are given to any program by srun and mpirun
    assert "workload.type" not in told("python", "main.py", RANK="0", WORLD_SIZE="8")
