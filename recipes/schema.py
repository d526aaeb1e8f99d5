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
    "EnvironmentModel",
    "FrameworkModel",
    "HardwareProfileModel",
    "Model",
    "OverrideModel",
    "ParameterModel",
    "Rate",
    "RecipeModel",
    "RuleModel",
    "SettingsModel",
    "Share",
    "Size",
    "StrategyModel",
    "TemplateModel",
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


def as_list(value: object) -> object:
    """Take a single word for a list of one.

    Parameters
    ----------
    value : object
        As written.

    Returns
    -------
    object
        A list for a text; anything else as it is.
    """
    return [value] if isinstance(value, str) else value


Names = Annotated[list[Name], BeforeValidator(as_list)]
Priority = Annotated[int, Field(ge=0, le=1_000_000)]
Match = Literal["weighted", "all", "any"]


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
    priority: Priority = 0
    match: Match = "weighted"
    threshold: Share | None = None
    conditions: list[ConditionModel] = Field(default_factory=list)
    actions: list[ActionModel] = Field(default_factory=list)
    metadata: dict[str, Any] = Field(default_factory=dict)


class SettingsModel(Model):
    """Settings of a recipe; `recipes.settings` says what each does."""

    confidence_threshold: Share = 0.5
    max_concurrent_rules: Annotated[int, Field(ge=1, le=1000)] = 5
    staleness: Duration = 60 * 10**9
    block_size: Annotated[Size, Field(ge=4096, le=1 << 30), AfterValidator(_power_of_two)] = 1 << 20
    seed: Annotated[int, Field(ge=0, lt=1 << 64)] = 0

    template: Names | None = None
    default_strategy: Name | None = None
    adaptive_learning: bool | None = None
    metrics_collection: bool | None = None
    debug: bool | None = None
    memory_limit_mb: Annotated[int, Field(ge=1, le=1 << 30)] | None = None
    cpu_limit_percent: Annotated[float, Field(gt=0, le=100)] | None = None
    experimental_features: dict[Name, bool] | None = None
    custom_properties: dict[str, Any] | None = None


class ParameterModel(Model):
    """A parameter of a template with its type; one that is written as a plain value has that value's type."""

    type: Literal["bool", "int", "number", "text", "size", "duration", "any"]
    default: Any = None
    min: float | None = None
    max: float | None = None
    choices: list[Any] | None = None
    description: str | None = None


class TemplateModel(Model):
    """Rules that belong together, with parameters for their actions."""

    id: Name
    name: Name | None = None
    description: str | None = None
    category: str | None = None
    rules: list[Name] = Field(default_factory=list)
    parameters: dict[Name, Any] = Field(default_factory=dict)
    metadata: dict[str, Any] = Field(default_factory=dict)


class StrategyModel(Model):
    """What ``settings.default_strategy`` selects: defaults of settings, templates, their parameters."""

    description: str | None = None
    settings: SettingsModel = Field(default_factory=SettingsModel)
    templates: list[Name] = Field(default_factory=list)
    parameters: dict[Name, Any] = Field(default_factory=dict)


class FrameworkModel(Model):
    """What applies to jobs of one framework only."""

    enabled: bool = True
    version: Version | None = None
    description: str | None = None
    rules: list[Name] = Field(default_factory=list)
    templates: list[Name] = Field(default_factory=list)
    parameters: dict[Name, Any] = Field(default_factory=dict)


class OverrideModel(Model):
    """What an environment changes in a rule."""

    enabled: bool = True
    priority: Priority | None = None
    threshold: Share | None = None
    match: Match | None = None


class EnvironmentModel(SettingsModel):
    """What applies in one environment only; settings may stand in it directly, as in the ancestor's files."""

    description: str | None = None
    settings: SettingsModel = Field(default_factory=SettingsModel)
    overrides: dict[Name, OverrideModel] = Field(default_factory=dict)
    rules: list[Name] = Field(default_factory=list)
    templates: list[Name] = Field(default_factory=list)
    parameters: dict[Name, Any] = Field(default_factory=dict)
    optimization_level: Any = None
    monitoring: Any = None


class HardwareProfileModel(Model):
    """What applies to machines of one kind only: ``conditions: [{gpu_count: ">= 8"}]``."""

    description: str | None = None
    conditions: list[dict[Name, Any]] = Field(default_factory=list)
    optimizations: list[Name] = Field(default_factory=list)
    settings: SettingsModel = Field(default_factory=SettingsModel)
    parameters: dict[Name, Any] = Field(default_factory=dict)


class RecipeModel(Model):
    """A whole recipe, or a fragment of one."""

    version: Version | None = None
    name: Name | None = None
    description: str | None = None
    author: str | None = None
    tags: list[str] = Field(default_factory=list)
    settings: SettingsModel = Field(default_factory=SettingsModel)
    rules: list[RuleModel] = Field(default_factory=list)
    templates: list[TemplateModel] = Field(default_factory=list)
    strategies: dict[Name, StrategyModel] = Field(default_factory=dict)
    frameworks: dict[Name, FrameworkModel] = Field(default_factory=dict)
    environments: dict[Name, EnvironmentModel] = Field(default_factory=dict)
    hardware_profiles: dict[Name, HardwareProfileModel] = Field(default_factory=dict)
    plugins: list[Any] | None = None
    metadata: dict[str, Any] = Field(default_factory=dict)
