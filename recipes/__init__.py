"""The recipe language: from YAML to the plan that the engine evaluates."""

from recipes.checking import Checked, check
from recipes.findings import Finding, Mark, RecipeError
from recipes.layers import LayerRequest
from recipes.loader import load, loads, resolve, shipped
from recipes.plan import Plan, compile_plan
from recipes.recipe import Recipe, apply_template
from recipes.writing import dump

__all__ = [
    "Checked",
    "Finding",
    "LayerRequest",
    "Mark",
    "Plan",
    "Recipe",
    "RecipeError",
    "apply_template",
    "check",
    "compile_plan",
    "dump",
    "load",
    "loads",
    "resolve",
    "shipped",
]
