"""Weighs the conditions of rules, learned or existing, by the engine's verdicts on the runs' files."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

import recipes
from learner.weights import LabelledFiles, RuleWeights, learn_weights
from mlopt_engine import Rules

#: Files whose conditions are evaluated at most; more change no weight in the second decimal.
MAX_FILES = 20_000


def sample_rows(features: pd.DataFrame, seed: int) -> NDArray[np.int64]:
    """Choose the files to weigh conditions on.

    Parameters
    ----------
    features : pandas.DataFrame
        All files.
    seed : int
        Chooses them where there are many.

    Returns
    -------
    ndarray of int64, shape (n_chosen,)
        Rows, ascending.
    """
    if len(features) <= MAX_FILES:
        return np.arange(len(features))
    return np.sort(np.random.default_rng(seed).choice(len(features), MAX_FILES, replace=False))


def verdicts(
    document: Mapping[str, Any], features: pd.DataFrame, rows: NDArray[np.int64]
) -> list[NDArray[np.bool_]]:
    """Ask the engine which conditions hold for which files.

    Parameters
    ----------
    document : mapping
        A recipe.
    features : pandas.DataFrame
        The files.
    rows : ndarray of int64, shape (n_rows,)
        Which of them.

    Returns
    -------
    list of ndarray of bool, shape (n_rows, n_conditions)
        One for each rule, in the document's order; what is not known does not hold.
    """
    recipe = recipes.loads(recipes.dump(dict(document), ""), "candidate")
    engine = Rules(recipes.compile_plan(recipe, memory_bytes=1 << 30).json)
    truth: list[list[list[bool]]] = [[] for _ in document["rules"]]
    paths, sizes = features["path"].to_numpy(), features["size"].to_numpy()
    for row in rows:
        explained = json.loads(engine.explain(os.fsencode(paths[row]), int(sizes[row])))
        for index, rule in enumerate(explained["rules"]):
            truth[index].append([condition["verdict"] == "true" for condition in rule["conditions"]])
    return [np.array(rule, dtype=bool) for rule in truth]


def weigh_rules(
    document: Mapping[str, Any],
    features: pd.DataFrame,
    gains: Sequence[NDArray[np.bool_]],
    validated: NDArray[np.bool_],
    *,
    seed: int,
) -> list[RuleWeights]:
    """Learn weights and threshold of each rule of a recipe.

    Parameters
    ----------
    document : mapping
        The recipe.
    features : pandas.DataFrame
        The files of the training epochs.
    gains : sequence of ndarray of bool, shape (n_files,)
        For each rule, which files gain from what it does.
    validated : ndarray of bool, shape (n_files,)
        Files of the last training epoch, on which thresholds are chosen.
    seed : int
        Chooses files where there are many.

    Returns
    -------
    list of RuleWeights
        One for each rule.
    """
    rows = sample_rows(features, seed)
    wait = features["wait_ns"].to_numpy(dtype=float)[rows]
    weight = np.where(wait > 0, wait, 1.0) if wait.sum() > 0 else np.ones(len(rows))
    weight = weight / weight.mean()
    last = validated[rows]
    if not last.any():
        last = np.ones(len(rows), dtype=bool)
    learned = []
    for truth, gain in zip(verdicts(document, features, rows), gains, strict=True):
        files = LabelledFiles(truth, gain[rows], weight)
        validation = LabelledFiles(truth[last], gain[rows][last], weight[last])
        learned.append(learn_weights(files, validation))
    return learned
