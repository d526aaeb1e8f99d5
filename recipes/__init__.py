"""The recipe language: from YAML to the plan that the engine evaluates."""

from recipes.checking import Checked, check
from recipes.findings import Finding, Mark, RecipeError
from recipes.loader import load, loads, shipped
from recipes.plan import Plan, compile_plan
from recipes.recipe import Recipe
from recipes.writing import dump

__all__ = [
    "Checked",
    "Finding",
    "Mark",
    "Plan",
    "Recipe",
    "RecipeError",
    "check",
    "compile_plan",
    "dump",
    "load",
    "loads",
    "shipped",
]
