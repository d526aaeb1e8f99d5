"""Every file of the library loads, is selected by its flag, and saves time on a small job of its kind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
import yaml

import recipes
from benchmarks.jobs import JOBS
from benchmarks.recipes import FLAGS, Shipped, shipped
from recipes import LayerRequest, RecipeError
from recipes.actions import ACTIONS
from recipes.layers import FOLDERS
from recipes.named import LIBRARY, named
from simulator.fuse_costs import FuseCosts
from simulator.scenario import Scenario
from simulator.storage import StorageModel
from simulator.sweep import sweep
from simulator.testing import JobShape, synthetic_workload
from traces.workload import OP_OPEN, Workload

MIB = 1 << 20
FILES = StorageModel("file server", 5e6, 0.2, 5e6, 60e6, 60e6, 16)
OBJECTS = StorageModel("object store", 30e6, 0.2, 30e6, 200e6, 200e6, 32)
# To compare with, or a set of rules that only apply where they are named.
WITHOUT_A_JOB = {"fifo", "lfu", "lru", "sieve", "upstream", "rules/ancestor"}
FOLDERS_OF_THE_LIBRARY = {*FLAGS, "rules", ""}


def job_of(suffix: str, shape: JobShape) -> Workload:
    job = synthetic_workload(shape)
    path = [b"data/part-%05d.%s" % (number, suffix.encode()) for number in range(shape.files)]
    return replace(job, files=replace(job.files, path=path))


def at_random(job: Workload) -> Workload:
    """Read the samples of each shard in an order of their own."""
    rows = job.offset.reshape(-1, 1 + 4_000_000 // 100_000).copy()
    np.random.default_rng(1).permuted(rows[:, 1:], axis=1, out=rows[:, 1:])
    return replace(job, offset=rows.ravel())


def by_columns(job: Workload) -> Workload:
    """Read two of six columns of each table."""
    kept = (job.op == OP_OPEN) | np.isin(job.offset, (900_000, 3_600_000))
    accesses = {each.name: getattr(job, each.name) for each in fields(job)}
    return replace(
        job,
        **{name: values[kept] for name, values in accesses.items()
           if isinstance(values, np.ndarray) and len(values) == len(kept)},
    )  # fmt: skip


# Small jobs like those of benchmarks/jobs: more than the budget holds, few enough files to be fast.
KINDS: dict[str, Callable[[], Workload]] = {
    "images": lambda: job_of("jpg", JobShape(200, 100_000, None, 3, 4, cpu_ns=1_000_000)),
    "tar-shards": lambda: job_of("tar", JobShape(12, 4_000_000, 100_000, 3, 2, cpu_ns=20_000_000)),
    "mds-shards": lambda: at_random(job_of("mds", JobShape(12, 4_000_000, 100_000, 3, 2))),
    "tfrecords": lambda: job_of("tfrecord", JobShape(12, 4_000_000, 60_000, 3, 2, cpu_ns=20_000_000)),
    "model-load": lambda: job_of("safetensors", JobShape(3, 16_000_000, MIB, 4, 1, shuffled=False)),
    "tables": lambda: by_columns(job_of("parquet", JobShape(12, 5_400_000, 900_000, 3, 1))),
    "once": lambda: job_of("bin", JobShape(4, 24_000_000, MIB, 1, 1, shuffled=False, cpu_ns=20_000_000)),
}


def request_of(each: Shipped) -> LayerRequest:
    """Ask for it as its flag does."""
    flag, name = each.words
    asked = {
        "-r": {"recipe": name},
        "--framework": {"frameworks": (name,)},
        "--environment": {"environment": name},
        "--hardware": {"hardware": (name,)},
        "--template": {"templates": (name,)},
    }[flag]
    return LayerRequest(**asked)


EACH = pytest.mark.parametrize("each", list(shipped()), ids=lambda each: each.name)


def test_every_file_names_a_job_but_those_to_compare_with() -> None:
    files = {path.relative_to(LIBRARY).with_suffix("").as_posix() for path in LIBRARY.rglob("*.yaml")}
    assert files - {each.name for each in shipped()} == WITHOUT_A_JOB
    assert {path.parent.name if path.parent != LIBRARY else "" for path in LIBRARY.rglob("*.yaml")} == (
        FOLDERS_OF_THE_LIBRARY
    )
    assert {each.job for each in shipped()} == set(JOBS) == set(KINDS)
    for folder, names in {
        "environments": {"development", "staging", "production"},
        "hardware": {"gpu_cluster", "cpu_only", "edge"},
        "templates": {
            "training",
            "inference",
            "research",
            "distributed",
            "batch_inference",
            "data_processing",
        },
    }.items():
        assert {path.stem for path in (LIBRARY / folder).glob("*.yaml")} == names


@EACH
def test_it_is_selected_by_its_flag_without_a_warning(each: Shipped) -> None:
    recipe = recipes.resolve(request_of(each))
    assert [str(finding) for finding in recipe.warnings] == []
    written = yaml.safe_load(next(LIBRARY.rglob(f"{each.words[1]}.yaml")).read_text(encoding="utf-8"))
    own = {rule["id"] for rule in written["rules"]}
    assert own <= {rule["id"] for rule in recipe.rules}
    if each.words[0] != "-r":
        files = {
            origins[0].file.rsplit("/", 1)[-1].removesuffix(".yaml") for _, _, origins in recipe.origins()
        }
        assert each.words[1] in files


@EACH
def test_it_saves_time_on_a_job_of_its_kind(each: Shipped) -> None:
    workload, job = KINDS[each.job](), JOBS[each.job]
    storage = FILES if job.storage == "file server" else OBJECTS
    recipe = recipes.resolve(request_of(each))
    base = Scenario(workload, None, "source", storage, FuseCosts.default(), 0, 2, seeds=(1,))
    plans = {each.name: lambda size: recipes.compile_plan(recipe, memory_bytes=size).json}
    rows = list(sweep(base, plans, [int(float(job.memory) * workload.working_set_bytes)]))
    source, *_, treated = rows
    assert source.outcome.steady_epoch_s > 0
    assert treated.outcome.failed_reads == 0
    assert treated.saved_ratio > 0.02, [(row.recipe, row.outcome.steady_epoch_s) for row in rows]


@pytest.mark.parametrize("kind", KINDS)
def test_default_is_not_slower_than_the_source_on_any_kind_of_job(kind: str) -> None:
    workload = KINDS[kind]()
    storage = FILES if JOBS[kind].storage == "file server" else OBJECTS
    default = recipes.load("default")
    base = Scenario(workload, None, "source", storage, FuseCosts.default(), 0, 2, seeds=(1,))
    plans = {"default": lambda size: recipes.compile_plan(default, memory_bytes=size).json}
    *_, treated = sweep(base, plans, [int(float(JOBS[kind].memory) * workload.working_set_bytes)])
    assert treated.saved_ratio > 0


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"templates": ("trainin",)}, "Did you mean 'training'?"),
        (
            {"templates": ("none-of-these",)},
            "batch_inference, data_processing, distributed, inference, research",
        ),
        ({"environment": "prod"}, "Known: development, production, staging"),
        ({"hardware": ("egde",)}, "Did you mean 'edge'?"),
    ],
)
def test_a_name_that_does_not_ship_is_told_with_those_that_do(asked: dict[str, object], says: str) -> None:
    with pytest.raises(RecipeError) as refusal:
        recipes.resolve(LayerRequest(**asked))  # type: ignore[arg-type]
    assert says in str(refusal.value)


def test_what_a_recipe_defines_under_a_shipped_name_is_its_own(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(
        'version: "1"\nname: mine\nenvironments:\n  production: {settings: {confidence_threshold: 0.7}}\n'
        "rules:\n  - id: own\n"
        "    conditions: [{type: file_context, property: size, operator: less_than, value: 1MiB}]\n"
        "    actions: [{type: cache}]\n"
    )
    mine = recipes.resolve(LayerRequest(recipe=str(path), environment="production"))
    assert [rule["id"] for rule in mine.rules] == ["own"]
    assert mine.settings.confidence_threshold == 0.7
    shipped_one = recipes.resolve(LayerRequest(recipe="lru", environment="production"))
    assert "production_samples" in {rule["id"] for rule in shipped_one.rules}


# Section 8 of the reference: what each name of the ancestor that nobody defined becomes; none: advisory.
ANCESTOR = {
    "multi_gpu_coordination": {"coordinate"},
    "gpu_memory_pooling": set(),
    "experiment_tracking": set(),
    "cpu_cache_optimization": {"cache"},
    "memory_pool_optimization": {"cache"},
    "adaptive_caching": {"cache"},
    "high_performance_caching": {"cache"},
    "model_preloading": {"prefetch", "cache"},
    "fault_tolerant_checkpointing": {"compress", "coordinate"},
    "checkpoint_coordination": {"compress", "coordinate"},
    "dataset_parallel_loading": {"prefetch", "stream"},
    "large_model_streaming": {"stream"},
    "distributed_coordination": {"coordinate"},
    "tensorflow_savedmodel_optimization": {"cache", "prefetch"},
    "transformer_optimization": {"cache", "prefetch"},
    "smart_model_caching": {"cache"},
    "pytorch_model_optimization": {"cache", "prefetch"},
}


@pytest.mark.parametrize(("name", "kinds"), ANCESTOR.items())
def test_a_rule_that_the_ancestor_names_is_enforced_or_says_once_why_not(
    name: str, kinds: set[str], tmp_path: Path
) -> None:
    assert name in named().entries("rules")
    path = tmp_path / "r.yaml"
    path.write_text(
        f'version: "1"\nname: r\ntemplates:\n  - {{id: t, rules: [{name}]}}\nsettings: {{template: t}}\n'
    )
    recipe = recipes.load(str(path))
    (rule,) = recipe.rules
    assert rule["id"] == name
    actions = {action["type"] for action in rule["actions"]}
    enforced = {kind for kind in kinds if ACTIONS[kind].not_enforced is None}
    assert actions >= enforced
    said = [
        finding for finding in recipe.warnings if "enforced" in finding.message or "effect" in finding.message
    ]
    assert len(said) == (1 if enforced != kinds or not kinds else 0), recipe.warnings
    assert actions <= kinds


def test_the_folders_of_layers_have_a_flag_each() -> None:
    assert set(FLAGS) - {"templates"} <= set(FOLDERS)
