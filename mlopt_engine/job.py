"""What processes tell of a job: framework, kind of work, ranks. Absent: reading ``/proc`` or traces."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

__all__ = ["ENVIRONMENT", "ProcessEvidence", "job_facts"]

#: Variables that launchers set: rank and number of processes, the most specific first.
_RANK = ("RANK", "OMPI_COMM_WORLD_RANK", "PMI_RANK", "SLURM_PROCID")
_WORLD_SIZE = ("WORLD_SIZE", "OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_NTASKS")
# Variables of launchers that start training only.
_TRAINING_VARIABLES = ("TORCHELASTIC_RUN_ID", "ACCELERATE_MIXED_PRECISION", "DEEPSPEED_CONFIG_FILE")
#: All variables that are looked at; nothing else of an environment is kept.
ENVIRONMENT = frozenset(_RANK + _WORLD_SIZE + _TRAINING_VARIABLES)

# Folder in the path of a mapped library -> framework. PyTorch first: its users often have TensorFlow loaded
# for TensorBoard, hardly ever the other way round.
_LIBRARIES = {
    "torch": "pytorch",
    "tensorflow": "tensorflow",
    "jaxlib": "jax",
    "mxnet": "mxnet",
    "onnxruntime": "onnx",
}
# Libraries that are loaded for one kind of work.
_WORK_LIBRARIES = {"vllm": "inference", "llama_cpp": "inference", "tensorrt_llm": "inference"}
_WORDS = {
    "torch": "pytorch",
    "pytorch": "pytorch",
    "torchrun": "pytorch",
    "deepspeed": "pytorch",
    "accelerate": "pytorch",
    "lightning": "pytorch",
    "tensorflow": "tensorflow",
    "keras": "tensorflow",
    "jax": "jax",
    "flax": "jax",
    "mxnet": "mxnet",
    "onnx": "onnx",
}
_WORK = {
    "training": {"train", "trainer", "training", "finetune", "finetuning", "pretrain", "pretraining", "fit"},
    "inference": {
        *("infer", "inference", "predict", "serve", "server", "serving", "generate"),
        *("vllm", "torchserve", "tritonserver"),
    },
    "preprocessing": {"preprocess", "preprocessing", "prepare", "tokenize", "convert", "etl", "shard"},
    "evaluation": {"eval", "evaluate", "evaluation", "validate", "validation"},
}
_LAUNCHERS = {"torchrun", "deepspeed", "accelerate"}
_PYTHON = re.compile(r"(python|pypy)[\d.]*")
_WRAPPERS = {"env", "nice", "time", "strace", "numactl", "taskset", "srun", "mpirun"}
_NUMBERS = {
    "workload.batch_size": {"batch_size", "per_device_train_batch_size", "train_batch_size", "bs"},
    "workload.workers": {"workers", "num_workers", "dataloader_num_workers"},
}


@dataclass(frozen=True)
class ProcessEvidence:
    """One process of a job, as far as it was seen.

    Attributes
    ----------
    pid : int
        Its number.
    argv : tuple of str
        Its command line.
    environment : mapping of str to str
        Variables of `ENVIRONMENT` that it has.
    libraries : frozenset of str
        Paths of the files that it maps.
    """

    pid: int
    argv: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    libraries: frozenset[str] = frozenset()


def job_facts(processes: Iterable[ProcessEvidence]) -> dict[str, str | int]:
    """Tell what a job is from its processes.

    Parameters
    ----------
    processes : iterable of ProcessEvidence
        Of one job, its first process first.

    Returns
    -------
    dict
        Facts by name; what the processes do not tell is not in it.
    """
    seen = list(processes)
    facts: dict[str, str | int] = {}
    if seen:
        facts["workload.process_id"] = seen[0].pid
    framework = _framework(seen)
    if framework:
        facts["workload.framework"] = framework
    work = next(filter(None, map(_work_of, seen)), None)
    if work:
        facts["workload.type"] = work
    for name, flags in _NUMBERS.items():
        number = next((n for process in seen for n in _flag_values(process.argv, flags)), None)
        if number is not None:
            facts[name] = number
    # Ranks of one machine differ: then no rank is the job's.
    ranks = {rank for process in seen if (rank := _number(process.environment, _RANK)) is not None}
    if len(ranks) == 1:
        facts["workload.rank"] = ranks.pop()
    sizes = [n for process in seen if (n := _number(process.environment, _WORLD_SIZE)) is not None]
    if sizes:
        facts["workload.world_size"] = max(sizes)
    return facts


def _framework(processes: list[ProcessEvidence]) -> str | None:
    """Mapped libraries are proof; words of the command line are a hint."""
    folders = {
        part for process in processes for path in process.libraries for part in PurePosixPath(path).parts
    }
    for folder, framework in _LIBRARIES.items():
        if folder in folders:
            return framework
    named = (_WORDS[word] for process in processes for word in _program_words(process.argv) if word in _WORDS)
    return next(named, None)


def _work_of(process: ProcessEvidence) -> str | None:
    """Tell from what is run, then from what it has loaded, then from who started it."""
    folders = {part for path in process.libraries for part in PurePosixPath(path).parts}
    loaded = next((work for folder, work in _WORK_LIBRARIES.items() if folder in folders), None)
    is_launched = any(name in process.environment for name in _TRAINING_VARIABLES)
    return _work(process.argv) or loaded or ("training" if is_launched else None)


def _work(argv: tuple[str, ...]) -> str | None:
    words = list(_program_words(argv))
    for work, names in _WORK.items():
        if names.intersection(words):
            return work
    return "training" if _LAUNCHERS.intersection(words) else None


def _program_words(argv: tuple[str, ...]) -> Iterator[str]:
    """Words of what is run: program, module or script; never of its arguments, which may be any path."""
    for name in _program(argv):
        yield from (word for word in re.split(r"[^a-z0-9]+", name.lower()) if word)


def _program(argv: tuple[str, ...]) -> Iterator[str]:
    """Name what is run, and the script that a launcher runs."""
    words = list(argv)
    program = None
    while words and program is None:
        word = words.pop(0)
        name = PurePosixPath(word).name
        if _PYTHON.fullmatch(name):
            program = _after_interpreter(words)
            if program is None:
                return
        elif name not in _WRAPPERS and not word.startswith("-") and "=" not in word:
            program = name
    if program is None:
        return
    yield program
    if _LAUNCHERS.intersection(re.split(r"[^a-z0-9]+", program)) or program.startswith("torch.distributed"):
        # A launcher's own options come before the script.
        script = next((word for word in words if word.endswith(".py")), None)
        if script is not None:
            yield PurePosixPath(script).name


def _after_interpreter(words: list[str]) -> str | None:
    """Take Python's options from the words; give the module or script, None for code in the command line."""
    while words:
        word = words.pop(0)
        if word == "-c":
            return None
        if word == "-m":
            return words.pop(0) if words else None
        if word in {"-X", "-W"} and words:
            words.pop(0)
        elif not word.startswith("-"):
            return PurePosixPath(word).name
    return None


def _flag_values(argv: tuple[str, ...], names: set[str]) -> Iterator[int]:
    for index, word in enumerate(argv):
        name, equals, value = word.partition("=")
        is_flag = name.startswith("--") or (equals and re.fullmatch(r"[\w.]+", name))
        if not is_flag or name.lstrip("-").replace("-", "_").rsplit(".", 1)[-1] not in names:
            continue
        text = value if equals else argv[index + 1] if index + 1 < len(argv) else ""
        if re.fullmatch(r"[0-9]{1,9}", text):
            yield int(text)


def _number(environment: Mapping[str, str], names: tuple[str, ...]) -> int | None:
    values = (environment[name] for name in names if name in environment)
    return next((int(value) for value in values if re.fullmatch(r"[0-9]{1,9}", value)), None)
