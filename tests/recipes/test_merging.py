"""The algebra of layers: associative, idempotent, and each value knows who wrote it."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from recipes.merging import Leaf, Tree, ends, merge, merge_all, planted, values
from recipes.nodes import Document, parse
from recipes.source import Source

EMPTY = Document(Source.of_text("", "none"), {})

# One shape for all trees, as the schema ensures: what is a mapping in one is none in no other.
SHAPE = st.fixed_dictionaries(
    {},
    optional={
        "settings": st.dictionaries(st.sampled_from("abc"), st.integers(0, 3), max_size=3),
        "metadata": st.fixed_dictionaries(
            {},
            optional={
                "deep": st.dictionaries(st.sampled_from("xy"), st.integers(0, 3)),
                "flat": st.integers(0, 3),
            },
        ),
        "name": st.sampled_from(["one", "two"]),
    },
)


def tree_of(value: dict[str, Any], layer: str) -> Tree:
    return planted(EMPTY, (), value, layer, depth=5)


TREES = st.builds(tree_of, SHAPE, st.sampled_from(["built-in", "framework", "custom"]))


def plain_merge(weaker: Any, stronger: Any) -> Any:
    if not (isinstance(weaker, dict) and isinstance(stronger, dict)):
        return stronger
    return weaker | {
        key: plain_merge(weaker[key], value) if key in weaker else value for key, value in stronger.items()
    }


@given(TREES, TREES, TREES)
def test_merge_is_associative(low: Tree, middle: Tree, high: Tree) -> None:
    assert merge(merge(low, middle), high) == merge(low, merge(middle, high))


@given(TREES, TREES)
def test_merge_is_idempotent(low: Tree, high: Tree) -> None:
    assert merge(low, low) == low
    assert merge(merge(low, high), high) == merge(low, high)


@given(SHAPE, SHAPE, SHAPE)
def test_values_are_those_of_a_plain_deep_merge(low: Any, middle: Any, high: Any) -> None:
    merged = merge_all([tree_of(low, "built-in"), tree_of(middle, "environment"), tree_of(high, "custom")])
    assert values(merged) == plain_merge(plain_merge(low, middle), high)


@given(st.lists(SHAPE, min_size=1, max_size=4))
def test_the_origin_of_each_value_is_the_strongest_layer_that_wrote_it(written: list[Any]) -> None:
    merged = merge_all(tree_of(value, f"layer {index}") for index, value in enumerate(written))
    seen = 0
    for path, history in ends(merged):
        writers = [index for index, value in enumerate(written) if _has(value, path)]
        assert history[-1].layer == f"layer {max(writers)}"
        assert [leaf.layer for leaf in history] == [f"layer {index}" for index in writers]
        seen += 1
    assert seen == len(list(ends(planted(EMPTY, (), values(merged), "", depth=5))))


def _has(value: Any, path: tuple[str, ...]) -> bool:
    for key in path:
        if not isinstance(value, dict) or key not in value:
            return False
        value = value[key]
    return True


def test_an_origin_names_the_line() -> None:
    document = parse(Source.of_text("a: 1\nb:\n  c: 2\n", "x.yaml"))
    tree = planted(document, (), document.value, "custom", depth=2)
    lines = {path: history[-1].origin for path, history in ends(tree)}
    assert {path: (origin.file, origin.line) for path, origin in lines.items()} == {
        ("a",): ("x.yaml", 1),
        ("b", "c"): ("x.yaml", 3),
    }
    assert str(lines["a",]) == "custom (x.yaml:1)"


def test_keys_keep_the_order_of_the_weaker() -> None:
    merged = merge_all([tree_of({"a": 1, "b": 2}, "built-in"), tree_of({"c": 3, "a": 4}, "custom")])
    assert list(merged) == ["a", "b", "c"]
    first = merged["a"]
    assert isinstance(first, tuple)
    assert all(isinstance(leaf, Leaf) for leaf in first)
    assert [leaf.value for leaf in first] == [1, 4]
