"""Rules that can never change anything are found, and no others."""

import pytest

import recipes

SIZE = "{{type: file_context, property: size, operator: {}, value: {}}}"
ALL = "{type: file_context, property: path, operator: glob, value: '**'}"


def rule(
    name: str, conditions: str, action: str = "{type: cache, parameters: {policy: lru}}", more: str = ""
) -> str:
    return f"\n  - id: {name}\n    conditions: [{conditions}]\n    actions: [{action}]\n    {more}"


def unreachable(*rules: str, settings: str = "{}") -> list[tuple[str, str]]:
    text = f'version: "1"\nname: t\nsettings: {settings}\nrules:' + "".join(rules)
    found = [each for each in recipes.loads(text).warnings if each.code == "MLO244"]
    return [(each.message.split("'")[1], each.message) for each in found]


def check(expected: str, says: str, *rules: str, settings: str = "{}") -> None:
    found = unreachable(*rules, settings=settings)
    assert [name for name, _ in found] == [expected]
    assert says in found[0][1]


def test_contradictory_sizes() -> None:
    both = f"{SIZE.format('greater_than', '2MiB')}, {SIZE.format('less_than', '1MiB')}"
    check("a", "exclude one another", rule("a", both, more="match: all"))
    touching = f"{SIZE.format('greater_equal', 5)}, {SIZE.format('less_than', 5)}"
    check("a", "exclude one another", rule("a", touching, more="match: all"))
    exact = f"{SIZE.format('greater_equal', 5)}, {SIZE.format('less_equal', 5)}"
    assert unreachable(rule("a", exact, more="match: all")) == []
    assert unreachable(rule("a", both, more="threshold: 0.4")) == []


def test_a_threshold_that_two_words_for_one_fact_cannot_pass() -> None:
    words = ", ".join(
        f"{{type: file_context, property: extension, value: {each}}}" for each in ("pt", "h5", "pb")
    )
    check("a", "at most 0.333, the threshold is 0.5", rule("a", words))
    assert unreachable(rule("a", words, more="threshold: 0.3")) == []
    assert unreachable(rule("a", words, more="match: any")) == []


def test_a_rule_that_a_stronger_one_always_covers() -> None:
    small = SIZE.format("less_than", 5)
    check("b", "never matters", rule("a", ALL, more="priority: 5"), rule("b", small, more="priority: 5"))
    check("b", "never matters", rule("a", small, more="priority: 9"), rule("b", small))
    # it sets a key that the stronger one leaves open
    more = "{type: cache, parameters: {policy: lru, share: 0.5}}"
    assert unreachable(rule("a", ALL, more="priority: 5"), rule("b", small, more)) == []
    # a rule with fewer files is stronger than the one for all
    assert unreachable(rule("a", ALL), rule("b", small, more="priority: 5")) == []


def test_more_rules_for_every_file_than_may_apply() -> None:
    other = "{type: prefetch, parameters: {mode: sequential}}"
    check(
        "b",
        "as many as may apply",
        rule("a", ALL, more="priority: 5"),
        rule("b", SIZE.format("less_than", 5), other),
        settings="{max_concurrent_rules: 1}",
    )


@pytest.mark.parametrize("name", recipes.shipped())
def test_shipped_recipes_have_no_rule_without_effect(name: str) -> None:
    assert [str(each) for each in recipes.load(name).warnings] == []
