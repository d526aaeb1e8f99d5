"""The non-negative estimator and the weights and thresholds made from it."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.utils.estimator_checks import parametrize_with_checks

from learner.weights import LabelledFiles, NonNegativeLogisticRegression, best_threshold, learn_weights


@parametrize_with_checks([NonNegativeLogisticRegression(), NonNegativeLogisticRegression(balanced=False)])
def test_estimator_keeps_the_rules_of_scikit_learn(estimator, check) -> None:
    check(estimator)


def test_coefficients_equal_an_unbounded_fit_when_no_bound_binds() -> None:
    rng = np.random.default_rng(7)
    x = rng.normal(size=(400, 3))
    y = rng.random(400) < 1 / (1 + np.exp(-(x @ [2.0, 0.7, 1.2] - 0.3)))
    ours = NonNegativeLogisticRegression(alpha=0.01, balanced=False, tol=1e-10).fit(x, y)
    theirs = LogisticRegression(C=1 / (0.01 * 400), tol=1e-10, max_iter=1000).fit(x, y)
    np.testing.assert_allclose(ours.coef_, theirs.coef_, rtol=1e-4)
    np.testing.assert_allclose(ours.intercept_, theirs.intercept_, atol=1e-4)


def test_a_condition_that_speaks_against_the_gain_gets_no_weight() -> None:
    rng = np.random.default_rng(7)
    gains = rng.random(300) < 0.5
    x = np.column_stack([gains, ~gains, rng.random(300) < 0.5]).astype(float)
    coefficients = NonNegativeLogisticRegression().fit(x, gains).coef_[0]
    assert coefficients[0] > 1
    assert coefficients[1] == 0


def labelled(truth: list[list[int]], gains: list[int]) -> LabelledFiles:
    return LabelledFiles(np.array(truth, bool), np.array(gains, bool), np.ones(len(gains)))


def test_weights_tell_the_condition_that_separates_from_the_one_that_does_not() -> None:
    # the directory decides; the extension is the same everywhere
    files = labelled([[1, 1]] * 20 + [[0, 1]] * 20, [1] * 20 + [0] * 20)
    learned = learn_weights(files, files)
    assert learned.weights == (1.0, 0.0)
    assert 0 < learned.threshold < 1
    assert learned.accuracy == 1.0


def test_weights_of_a_conjunction_need_both_conditions() -> None:
    files = labelled([[1, 1]] * 20 + [[0, 1]] * 20 + [[1, 0]] * 20, [1] * 20 + [0] * 40)
    learned = learn_weights(files, files)
    assert learned.weights == (1.0, 1.0)
    assert 0.5 <= learned.threshold < 1
    assert learned.accuracy == 1.0


@pytest.mark.parametrize("label", [0, 1])
def test_one_label_only_gives_constant_weights_and_says_why(label: int) -> None:
    files = labelled([[1, 0], [1, 1]], [label, label])
    learned = learn_weights(files, files)
    assert learned.weights == (1.0, 1.0)
    assert "nothing to tell apart" in learned.reason


def test_threshold_lies_in_the_gap_between_gain_and_no_gain() -> None:
    # scores: 1.0 (gain), .625 and .375 (none)
    files = labelled([[1, 1], [1, 0], [0, 1]], [1, 0, 0])
    threshold, accuracy = best_threshold(np.array([1.0, 0.6]), files)
    assert 0.625 <= threshold < 1.0
    assert accuracy == 1.0
