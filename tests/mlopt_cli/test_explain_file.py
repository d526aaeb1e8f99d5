"""One file in words."""

import os
from pathlib import Path

import recipes
from mlopt_cli.workflows.explain_file import explain_file

RECIPE = """\
version: "1"
name: t
rules:
  - id: weights
    conditions:
      - {type: file_context, property: type, value: model, weight: 1.0}
      - {type: file_context, property: size, operator: greater_than, value: 1GiB, weight: 0.9}
    actions: [{type: cache, parameters: {policy: pinned}}]
  - id: for-torch
    match: all
    conditions: [{type: workload_context, property: framework, value: pytorch, required: true}]
    actions: [{type: prefetch, parameters: {mode: whole_file}}]
"""


def test_a_file_is_explained_in_words(tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_text(RECIPE)
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "a.pth").write_bytes(b"x" * 2048)
    found = explain_file(
        tmp_path / "models" / "a.pth",
        recipes.load(str(tmp_path / "r.yaml")),
        source=tmp_path,
        facts={"system.time": 5},
    )
    assert found["path"] == "models/a.pth"
    assert found["sentences"] == [
        "models/a.pth is a file of 2.0 KiB, of type model, in the format torch, as pytorch writes them.",
        "Action cache: policy pinned (rule 'weights').",
        "Rule 'weights' applies: its score of 0.526 exceeds the threshold 0.5. True that file.type is "
        '"model": it is "model"; false that file.size is more than 1.0 GiB: it is 2.0 KiB.',
        "Rule 'for-torch' does not apply: all of its conditions must hold. Unknown whether "
        'workload.framework is "pytorch" (required).',
    ]


def test_what_is_no_file_is_never_treated(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    found = explain_file(tmp_path / "pipe", recipes.load("default"))
    said = "pipe is no regular file (special): a mount shows it and never treats it."
    assert found["sentences"] == [said]
