"""A recipe as written: every key with its type and range, nothing resolved yet."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from recipes.quantities import parse_duration_ns, parse_rate_bytes_per_s, parse_size_bytes

__all__ = [
    "ActionModel",
    "ConditionModel",
    "Duration",
    "Model",
    "Rate",
    "RecipeModel",
    "RuleModel",
    "SettingsModel",
    "Share",
    "Size",
    "version_text",
]

Size = Annotated[int, BeforeValidator(parse_size_bytes)]
Duration = Annotated[int, BeforeValidator(parse_duration_ns)]
Rate = Annotated[int, BeforeValidator(parse_rate_bytes_per_s)]
Share = Annotated[float, Field(ge=0.0, le=1.0, allow_inf_nan=False)]


def version_text(value: object) -> object:
    """Take a version that is written as a number, as the ancestor's files do now and then, for its text.

    Parameters
    ----------
    value : object
        As written.

    Returns
    -------
    object
        The text of a number; anything else as it is.
    """
    return str(value) if type(value) in (int, float) else value


Version = Annotated[str, BeforeValidator(version_text)]
Name = Annotated[str, Field(min_length=1, max_length=200)]


def _power_of_two(value: int) -> int:
    if value & (value - 1):
        raise PydanticCustomError("power_of_two", "Input should be a power of two")
    return value


class Model(BaseModel):
    """What all parts of a recipe have in common: unknown keys are errors, types are not guessed."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class ConditionModel(Model):
    """One test on a fact of a file or a job."""

    type: Name
    property: Name
    operator: Name | None = None
    value: Any
    weight: Share = 1.0
    required: bool = False


class ActionModel(Model):
    """What is done with the files of a rule."""

    type: Name
    target: Name = "file"
    parameters: dict[str, Any] = Field(default_factory=dict)


class RuleModel(Model):
    """Conditions and what follows from them."""

    id: Name | None = None
    name: Name | None = None
    description: str | None = None
    priority: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    match: Literal["weighted", "all", "any"] = "weighted"
    threshold: Share | None = None
    conditions: list[ConditionModel] = Field(default_factory=list)
    actions: list[ActionModel] = Field(default_factory=list)
    metadata: dict[str, Any] = Field(default_factory=dict)


class SettingsModel(Model):
    """Settings of a recipe; those below the blank line are the ancestor's and have no effect yet."""

    confidence_threshold: Share = 0.5
    max_concurrent_rules: Annotated[int, Field(ge=1, le=1000)] = 5
    staleness: Duration = 60 * 10**9
    block_size: Annotated[Size, Field(ge=4096, le=1 << 30), AfterValidator(_power_of_two)] = 1 << 20
    seed: Annotated[int, Field(ge=0, lt=1 << 64)] = 0

    default_strategy: str | None = None
    adaptive_learning: bool | None = None
    metrics_collection: bool | None = None
    debug: bool | None = None
    memory_limit_mb: Annotated[int, Field(ge=1, le=1 << 30)] | None = None
    cpu_limit_percent: Annotated[float, Field(gt=0, le=100)] | None = None
    experimental_features: dict[str, bool] | None = None
    custom_properties: dict[str, Any] | None = None


class RecipeModel(Model):
    """A whole recipe; sections without effect are kept as they are."""

    version: Version | None = None
    name: Name | None = None
    description: str | None = None
    author: str | None = None
    tags: list[str] = Field(default_factory=list)
    settings: SettingsModel = Field(default_factory=SettingsModel)
    rules: list[RuleModel] = Field(default_factory=list)
    metadata: dict[str, Any] = Field(default_factory=dict)

    templates: list[dict[str, Any]] | None = None
    strategies: dict[str, Any] | None = None
    frameworks: dict[str, Any] | None = None
    environments: dict[str, Any] | None = None
    hardware_profiles: dict[str, Any] | list[Any] | None = None
    plugins: list[Any] | None = None


# Loaded and shown, without effect; each is named in a warning where it is used.
ADVISORY_SETTINGS = (
    "default_strategy",
    "adaptive_learning",
    "metrics_collection",
    "debug",
    "memory_limit_mb",
    "cpu_limit_percent",
    "experimental_features",
    "custom_properties",
)
ADVISORY_SECTIONS = ("templates", "strategies", "frameworks", "environments", "hardware_profiles", "plugins")
