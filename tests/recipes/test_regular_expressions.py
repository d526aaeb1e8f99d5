"""Users' regular expressions are the engine's alone: linear in time, in Python too."""

import ast
from pathlib import Path

import pytest

import recipes
from mlopt_engine import RuleScan
from recipes import RecipeError

ROOT = Path(__file__).parents[2]
PACKAGES = ("mlopt_cli", "traces", "recipes", "learner", "simulator", "runtime", "mlopt_engine")
FILES = [path for package in PACKAGES for path in (ROOT / package).rglob("*.py")]


def calls_of_re(tree: ast.AST) -> list[ast.Call]:
    return [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == "re"
        and node.func.attr != "escape"
    ]


def test_python_compiles_no_expression_that_is_not_written_in_its_source() -> None:
    seen = 0
    for path in FILES:
        tree = ast.parse(path.read_text())
        imported = {
            alias.name
            for node in ast.walk(tree)
            if isinstance(node, ast.Import | ast.ImportFrom)
            for alias in node.names
        }
        modules = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        assert not imported & {"fnmatch", "regex"}, path
        assert not modules & {"re", "fnmatch"}, path
        for call in calls_of_re(tree):
            seen += 1
            assert isinstance(call.args[0], ast.Constant), f"{path}:{call.lineno}"
    assert seen > 10


RECIPE = """version: "1"
name: t
rules:
  - id: a
    conditions: [{{type: file_context, property: path, operator: matches, value: '{pattern}'}}]
    actions: [{{type: cache}}]
"""


@pytest.mark.parametrize("pattern", [r"(a)\1", "(?=a)b", "(?<!a)b", "(a"])
def test_what_a_linear_engine_cannot_do_is_refused(pattern: str) -> None:
    with pytest.raises(RecipeError) as caught:
        recipes.loads(RECIPE.format(pattern=pattern))
    assert [finding.code for finding in caught.value.findings] == ["MLO134"]


@pytest.mark.parametrize("pattern", ["(a+)+$", "^(a|a)*$", "(a|aa)+$", "a{1,100}a{1,100}$"])
def test_what_takes_others_for_ever_is_answered(pattern: str, tmp_path: Path) -> None:
    plan = recipes.compile_plan(recipes.loads(RECIPE.format(pattern=pattern)), memory_bytes=1 << 30)
    # A name of 255 characters: a backtracking engine tries 2 ** 254 ways.
    (tmp_path / ("a" * 254 + "b")).write_text("")
    scan = RuleScan(plan.json, tmp_path)
    assert scan.advance(10) == 1
    assert '"never_applied":true' in scan.report()
