"""Weights and threshold of a rule: which of its conditions tell the files that gain from the others."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize
from scipy.special import expit
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import Tags
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

#: Weights are written with two decimals: what two runs of a solver agree on, and what a person reads.
DECIMALS = 2
#: A condition below this share of the strongest one decides nothing; the rule is shorter without it.
NEGLIGIBLE = 0.05


class NonNegativeLogisticRegression(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Logistic regression whose coefficients cannot be negative.

    A recipe's score is a weighted share of true conditions, so a true condition can only add to it.
    Minimises the mean log loss plus ``alpha / 2 * sum(coef ** 2)`` by L-BFGS-B under ``coef >= 0``; the
    problem is convex, so the result does not depend on a seed.

    Parameters
    ----------
    alpha : float, default=1e-3
        Strength of the ridge penalty [1]; it makes equally good conditions share the weight.
    balanced : bool, default=True
        Whether both classes count alike, however many samples each has.
    max_iter : int, default=500
        Limit of the solver's iterations.
    tol : float, default=1e-8
        Largest gradient at which the solver stops [1].

    Attributes
    ----------
    coef_ : ndarray of float64, shape (1, n_features)
        Coefficients, each >= 0.
    intercept_ : ndarray of float64, shape (1,)
        Intercept, of any sign.
    classes_ : ndarray, shape (2,)
        Labels; the second one is the one that true conditions speak for.
    n_iter_ : int
        Iterations that the solver took.

    References
    ----------
    .. [1] Byrd et al., A limited memory algorithm for bound constrained optimization, SIAM J. Sci. Comput.
       16(5), 1995.
    """

    def __init__(
        self,
        *,
        alpha: float = 1e-3,
        balanced: bool = True,
        max_iter: int = 500,
        tol: float = 1e-8,
    ) -> None:
        self.alpha = alpha
        self.balanced = balanced
        self.max_iter = max_iter
        self.tol = tol

    def __sklearn_tags__(self) -> Tags:
        """Tell scikit-learn what to expect: two classes; no negative effects, so poor scores on some data.

        Returns
        -------
        sklearn.utils.Tags
            The tags.
        """
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        tags.classifier_tags.poor_score = True
        return tags

    def fit(
        self,
        X: ArrayLike,  # noqa: N803
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
    ) -> NonNegativeLogisticRegression:
        """Fit the coefficients.

        Parameters
        ----------
        X : array-like of float, shape (n_samples, n_features)
            Truth of each condition (0 or 1), or any features that can only speak for the second class.
        y : array-like, shape (n_samples,)
            Two labels.
        sample_weight : array-like of float, shape (n_samples,), optional
            How much each sample counts; equal if omitted.

        Returns
        -------
        NonNegativeLogisticRegression
            Itself.

        Raises
        ------
        ValueError
            When there is one label only, or more than two.
        """
        samples: NDArray[np.float64]
        samples, labels = validate_data(self, X, y, dtype=np.float64)
        check_classification_targets(labels)
        self.classes_, label = np.unique(labels, return_inverse=True)
        if len(self.classes_) > 2:
            kind = type_of_target(labels)
            raise ValueError(f"Only binary classification is supported. The type of the target is {kind}.")
        if len(self.classes_) < 2:
            raise ValueError("Two classes are needed, but y contains one class only.")
        weight = _check_sample_weight(sample_weight, samples, dtype=np.float64)
        totals = np.bincount(label, weights=weight, minlength=2)
        if (totals <= 0).any():
            raise ValueError("Two classes are needed, but the weighted samples are of one class only.")
        if self.balanced:
            weight = weight / totals[label]
        weight = weight / weight.sum()
        sign = 2.0 * label - 1.0

        def loss(parameters: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
            coefficients, intercept = parameters[:-1], parameters[-1]
            margin = sign * (samples @ coefficients + intercept)
            slope = -weight * sign * expit(-margin)
            value = float(weight @ np.logaddexp(0.0, -margin)) + self.alpha / 2 * float(
                coefficients @ coefficients
            )
            gradient = np.append(samples.T @ slope + self.alpha * coefficients, slope.sum())
            return value, gradient

        n_features = samples.shape[1]
        found = minimize(
            loss,
            np.zeros(n_features + 1),
            jac=True,
            method="L-BFGS-B",
            bounds=[(0.0, None)] * n_features + [(None, None)],
            options={"maxiter": self.max_iter, "gtol": self.tol, "ftol": 1e-15},
        )
        self.coef_ = found.x[:-1].reshape(1, -1)
        self.intercept_ = found.x[-1:]
        self.n_iter_ = int(found.nit)
        return self

    def decision_function(self, X: ArrayLike) -> NDArray[np.float64]:  # noqa: N803
        """Compute the logarithm of the odds of the second class.

        Parameters
        ----------
        X : array-like of float, shape (n_samples, n_features)
            Features.

        Returns
        -------
        ndarray of float64, shape (n_samples,)
            Log-odds [1].
        """
        check_is_fitted(self)
        samples = validate_data(self, X, dtype=np.float64, reset=False)
        return np.asarray(samples @ self.coef_[0] + self.intercept_[0], dtype=np.float64)

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:  # noqa: N803
        """Compute the probability of each class.

        Parameters
        ----------
        X : array-like of float, shape (n_samples, n_features)
            Features.

        Returns
        -------
        ndarray of float64, shape (n_samples, 2)
            Probabilities, in the order of `classes_`.
        """
        second = expit(self.decision_function(X))
        return np.column_stack([1.0 - second, second])

    def predict(self, X: ArrayLike) -> NDArray[Any]:  # noqa: N803
        """Predict the more probable class.

        Parameters
        ----------
        X : array-like of float, shape (n_samples, n_features)
            Features.

        Returns
        -------
        ndarray, shape (n_samples,)
            Labels.
        """
        check_is_fitted(self)
        return np.asarray(self.classes_[(self.decision_function(X) > 0).astype(int)])


@dataclass(frozen=True)
class RuleWeights:
    """Learned weights of a rule's conditions.

    Attributes
    ----------
    weights : tuple of float
        One per condition, the strongest 1, 0 for one that decides nothing.
    threshold : float
        A file is treated when its score exceeds it, 0 to 1.
    reason : str
        How they came about, for people.
    accuracy : float or None
        Balanced accuracy on the validation files; None when there was nothing to tell apart.
    """

    weights: tuple[float, ...]
    threshold: float
    reason: str
    accuracy: float | None = None


@dataclass(frozen=True)
class LabelledFiles:
    """Files with the truth of a rule's conditions and whether they gain from its actions.

    Attributes
    ----------
    truth : ndarray of bool, shape (n_files, n_conditions)
        Which conditions hold.
    gains : ndarray of bool, shape (n_files,)
        Whether the treatment saves time on the file.
    weight : ndarray of float64, shape (n_files,)
        How much the file counts (its share of the waiting).
    """

    truth: NDArray[np.bool_]
    gains: NDArray[np.bool_]
    weight: NDArray[np.float64]


def learn_weights(training: LabelledFiles, validation: LabelledFiles) -> RuleWeights:
    """Learn a rule's weights on the training epochs and its threshold on the validation epoch.

    Parameters
    ----------
    training : LabelledFiles
        Files as the earlier epochs show them.
    validation : LabelledFiles
        Files as the last training epoch shows them.

    Returns
    -------
    RuleWeights
        Constant weights, with the reason, where the files give no choice.
    """
    n_conditions = training.truth.shape[1]
    constant = tuple(1.0 for _ in range(n_conditions))
    if training.gains.all() or not training.gains.any():
        which = "every file" if training.gains.all() else "no file"
        reason = f"constant weights: {which} of the record gains from it, so there is nothing to tell apart"
        return RuleWeights(constant, threshold=1.0, reason=reason)
    model = NonNegativeLogisticRegression().fit(
        training.truth.astype(float), training.gains, sample_weight=training.weight
    )
    coefficients = model.coef_[0]
    if coefficients.max() <= 0:
        reason = "constant weights: none of its conditions speaks for the files that gain"
        return RuleWeights(constant, threshold=1.0, reason=reason)
    scaled = np.round(coefficients / coefficients.max(), DECIMALS)
    scaled[scaled < NEGLIGIBLE] = 0.0
    threshold, accuracy = best_threshold(scaled, validation)
    reason = f"weights learned from {len(training.gains)} files, threshold from the last training epoch"
    return RuleWeights(tuple(float(w) for w in scaled), threshold, reason, accuracy)


def best_threshold(weights: NDArray[np.float64], files: LabelledFiles) -> tuple[float, float]:
    """Find the threshold with the best balanced accuracy, in the middle of the widest gap of scores.

    Parameters
    ----------
    weights : ndarray of float64, shape (n_conditions,)
        The rule's weights, one of them positive.
    files : LabelledFiles
        Files to judge on.

    Returns
    -------
    tuple of float
        Threshold and balanced accuracy [1].
    """
    scores = np.round(files.truth @ weights / weights.sum(), 6)
    levels = np.unique(np.concatenate([[0.0], scores, [1.0]]))
    best = (-1.0, -1.0, 1.0)
    for low, high in pairwise(levels):
        middle = round(float(low + high) / 2, DECIMALS)
        threshold = middle if low < middle < high else float(low)
        accuracy = round(_balanced_accuracy(scores > threshold, files), 9)
        best = max(best, (accuracy, float(high - low), threshold))
    return best[2], best[0]


def _balanced_accuracy(fires: NDArray[np.bool_], files: LabelledFiles) -> float:
    shares = []
    for label in (True, False):
        of_label = files.gains == label
        total = float(files.weight[of_label].sum())
        if total > 0:
            shares.append(float(files.weight[of_label & (fires == label)].sum()) / total)
    return float(np.mean(shares)) if shares else 1.0
