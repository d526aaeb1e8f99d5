"""Loading leaves the process as it found it."""

import gc
from collections.abc import Iterator

import pytest

import recipes
from recipes import LayerRequest, RecipeError


@pytest.fixture
def collector() -> Iterator[None]:
    yield
    gc.enable()


@pytest.mark.usefixtures("collector")
@pytest.mark.parametrize("enabled", [True, False])
def test_the_collector_runs_after_loading_as_before(enabled: bool) -> None:
    if not enabled:
        gc.disable()
    recipes.load("default")
    assert gc.isenabled() is enabled
    recipes.resolve(LayerRequest(recipe="default", frameworks=("pytorch",)))
    assert gc.isenabled() is enabled
    with pytest.raises(RecipeError):
        recipes.loads("rules: [no]")
    assert gc.isenabled() is enabled
