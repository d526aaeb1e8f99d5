"""Codes of layers, templates, hardware profiles and what else names rules."""

from __future__ import annotations

from recipes.codes.base import ACTION, CONDITION, Code, a_recipe

__all__ = ["CODES"]

_SELECTED = "settings: {template: t}\n"
_FETCH = "{type: prefetch, target: file, parameters: {files: '${n}'}}"


def _template(parameters: str, *, action: str = _FETCH) -> str:
    template = f"templates: [{{id: t, rules: [train], parameters: {parameters}}}]"
    return a_recipe(top=_SELECTED + template, action=action)


CODES = (
    Code(
        "MLO170",
        "A name is near one that exists",
        "A template, framework, environment or profile names a rule or template that no layer defines, and one with "
        "nearly this name exists; or it is selected, so that something would be missing.",
        "Write the name as it is defined.",
        a_recipe(top="frameworks: {pytorch: {rules: [trian]}}"),
    ),
    Code(
        "MLO171",
        "What was selected does not exist",
        "No layer and no file defines what --framework, --environment, --hardware, --template or a setting names.",
        "Choose one of those that the message lists.",
        a_recipe(top="settings: {default_strategy: carful}\nstrategies: {careful: {}}"),
    ),
    Code(
        "MLO172",
        "A reference or a parameter leads nowhere",
        "'${name}' stands for a parameter of the template that names the rule; outside of a template nothing gives it "
        "a value.",
        "Write the value, declare the parameter in the template, or name the rule in one.",
        a_recipe(action="{type: cache, target: file, parameters: {share: '${x}'}}"),
    ),
    Code(
        "MLO173",
        "A parameter's value does not fit its type",
        "A parameter has the type that it states, or that of its default.",
        "Write a value of that type.",
        _template("{n: {type: itn, default: 4}}"),
    ),
    Code(
        "MLO174",
        "Parameters refer to one another in a circle",
        "None of them ever gets a value.",
        "Give one of them a value.",
        _template("{n: '${m}', m: '${n}'}"),
    ),
    Code(
        "MLO175",
        "A hardware profile's condition is not understood",
        "Conditions are comparisons of what is known of a machine, as gpu_count: '>= 8'.",
        "Write one of >= <= > < == != and a number or size.",
        a_recipe(top="hardware_profiles: {big: {conditions: [{gpu_count: '>> 8'}], optimizations: [train]}}"),
    ),
    Code(
        "MLO176",
        "A template's id is taken",
        "Layers merge templates by id, so an id belongs to one template of a file.",
        "Rename one of them.",
        a_recipe(top=_SELECTED + "templates: [{id: t, rules: [train]}, {id: t, rules: [train]}]"),
    ),
    Code(
        "MLO177",
        "A folder of layers is not laid out as one",
        "It holds default/, frameworks/, environments/, hardware/ and custom/, with one recipe per file.",
        "Rename or move what is named.",
        a_recipe(),
        layers=(("framework/pytorch.yaml", ""),),
    ),
    Code(
        "MLO178",
        "--set is not understood",
        "It sets one key: a setting, or a parameter of the selected template.",
        "Write KEY=VALUE, as in --set debug=true.",
        a_recipe(),
        flags=("debug",),
    ),
    Code(
        "MLO240",
        "A name is not defined",
        "A template, framework, environment or profile names a rule or template that neither the layers nor the "
        "library define. It is not selected, so nothing is missing now.",
        "Define it, or do not name it.",
        a_recipe(top="frameworks: {pytorch: {rules: [quite_another]}}"),
    ),
    Code(
        "MLO241",
        "A rule waits for its template",
        "It uses parameters, so it applies only where a template that names it is selected.",
        "Select the template: --template NAME, or settings.template.",
        a_recipe(
            top="frameworks: {jax: {templates: [t]}}\ntemplates: [{id: t, rules: [train], parameters: {n: 4}}]",
            action=_FETCH,
            end=f"  - id: b\n    name: b\n    conditions: [{CONDITION}]\n    actions: [{ACTION}]",
        ),
    ),
    Code(
        "MLO242",
        "A parameter has no effect",
        "No rule of its template uses it.",
        "Write '${name}' in an action of one of its rules, or remove the parameter.",
        _template("{n: 4}", action=ACTION),
    ),
    Code(
        "MLO243",
        "Nothing selects a template",
        "A template applies where it is selected; by itself it changes nothing.",
        "Select it: --template NAME, settings.template, or a framework that names it.",
        a_recipe(top="templates: [{id: t, rules: [train]}]"),
    ),
    Code(
        "MLO244",
        "A rule can never change anything",
        "Its conditions exclude one another, its score cannot reach the threshold, or stronger rules that always apply "
        "with it set all its parameters.",
        "Loosen it, raise its priority, or remove it.",
        a_recipe(
            end=f"  - id: again\n    name: again\n    conditions: [{CONDITION}]\n    actions: [{ACTION}]"
        ),
    ),
    Code(
        "MLO245",
        "Nothing is found out by itself",
        "--framework auto looks at a sample of the data, where too few files tell a framework or two are as likely; "
        "--hardware auto looks for profiles whose conditions all hold on this machine.",
        "Name the framework or the profile.",
        a_recipe(),
        frameworks=("auto",),
    ),
    Code(
        "MLO246",
        "A file in a folder of layers is not read",
        "Only recipes (.yaml, .yml, .json) in the folder of their layer are.",
        "Move it, rename it or remove it.",
        a_recipe(),
        layers=(("custom/notes.txt", ""),),
    ),
    Code(
        "MLO247",
        "A parameter is set that no selected template has",
        "A framework, environment, profile or strategy sets it, and nothing takes it.",
        "Select the template that declares it, or remove it.",
        a_recipe(top="settings: {default_strategy: s}\nstrategies: {s: {parameters: {n: 4}}}"),
    ),
    Code(
        "MLO248",
        "The recipe's own limit is below the budget",
        "settings.memory_limit_mb is a hard cap, whatever --memory says.",
        "Raise the limit if more memory may be used.",
        a_recipe(top="settings: {memory_limit_mb: 64}"),
        reported_by="mlopt mount",
    ),
    Code(
        "MLO249",
        "A rule is in no template, and one is selected",
        "With a template selected only its rules apply.",
        "Name the rule in a template, or remove it.",
        a_recipe(
            top=_SELECTED + "templates: [{id: t, rules: [train]}]",
            end=f"  - id: b\n    name: b\n    conditions: [{CONDITION}]\n    actions: [{ACTION}]",
        ),
    ),
)
