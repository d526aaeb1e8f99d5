"""Every setting does something, or says why it does not."""

from pathlib import Path

import pytest

import recipes
from recipes.schema import SettingsModel
from recipes.settings import SETTINGS, learner_jobs, settings_page

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "settings.md"
WRITTEN = {
    "adaptive_learning": "true",
    "experimental_features": "{a: true}",
    "custom_properties": "{a: 1}",
    "debug": "true",
    "metrics_collection": "true",
    "memory_limit_mb": "64",
    "cpu_limit_percent": "20",
}


def test_every_setting_is_described() -> None:
    assert set(SETTINGS) == set(SettingsModel.model_fields)


def test_the_page_is_fresh() -> None:
    assert PAGE.read_text() == settings_page(), "run 'make docs'"


@pytest.mark.parametrize("name", WRITTEN)
def test_a_setting_without_effect_is_warned_of_once_with_the_reason(name: str) -> None:
    text = f"""version: "1"
name: t
settings: {{{name}: {WRITTEN[name]}}}
rules:
  - id: a
    conditions: [{{type: file_context, property: path, operator: glob, value: '**'}}]
    actions: [{{type: cache}}]
"""
    warnings = recipes.loads(text).warnings
    reason = SETTINGS[name].advisory
    assert [warning.code for warning in warnings] == ["MLO203"] * bool(reason)
    assert all(str(reason) in warning.message for warning in warnings)


def test_the_memory_limit_caps_the_budget_and_says_so() -> None:
    limited = recipes.resolve(recipes.LayerRequest(recipe="lru", sets=("memory_limit_mb=64",)))
    plan = recipes.compile_plan(limited, memory_bytes=1 << 30)
    assert plan.memory_bytes == 64 << 20
    assert [warning["code"] for warning in plan.warnings] == ["MLO248"]
    below = recipes.compile_plan(limited, memory_bytes=1 << 20)
    assert (below.memory_bytes, below.warnings) == (1 << 20, [])


@pytest.mark.parametrize(
    ("percent", "cpus", "asked", "jobs"),
    [(None, 8, None, 8), (None, 8, 32, 32), (25, 8, None, 2), (25, 8, 32, 2), (25, 8, 1, 1), (1, 2, None, 1)],
)
def test_the_cpu_limit_caps_the_learner(
    percent: float | None, cpus: int, asked: int | None, jobs: int
) -> None:
    settings = SettingsModel(cpu_limit_percent=percent)
    assert learner_jobs(settings, cpus, asked) == jobs
