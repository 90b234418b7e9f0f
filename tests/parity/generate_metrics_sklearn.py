"""Compute what scikit-learn and SciPy make of fixed predictions with probabilities: `metrics_sklearn.json`.

    python -m venv .venv
    .venv/bin/pip install numpy==2.4.6 scikit-learn==1.9.1 scipy==1.17.1
    .venv/bin/python tests/parity/generate_metrics_sklearn.py [--output DIR]

Probabilities are float32 and written in the fewest digits that read back as the same float32; scikit-learn is handed
them as float64. What scikit-learn doesn't define for a class without examples is `null`, and averages are then those of
the classes for which it is defined.
"""

import argparse
import json
import platform
from pathlib import Path

import numpy as np
import scipy
import sklearn
from scipy.stats import binomtest
from sklearn import metrics

BINS = 15
THRESHOLDS = [0.0, 0.3, 0.5, 0.75, 0.9]


def drawn(rng, classes, examples, skill, shares=None, decimals=None):
    """Labels, and probabilities that know something of them; with `decimals`, many are equal."""
    labels = rng.choice(classes, examples, p=shares)
    logits = rng.normal(0.0, 1.0, (examples, classes))
    logits[np.arange(examples), labels] += skill
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    if decimals is not None:
        probabilities = np.round(probabilities, decimals)
        # What rounding took or gave goes to the likeliest class, so that rows still add up to 1.
        likeliest = probabilities.argmax(axis=1)
        probabilities[np.arange(examples), likeliest] += 1.0 - probabilities.sum(axis=1)
        probabilities = np.round(probabilities, decimals)
    return labels, probabilities.astype(np.float32)


def expected_and_maximum_error(confidence, right):
    """Guo et al., 2017: bins of equal width, open below and closed above."""
    edges = np.linspace(0.0, 1.0, BINS + 1)
    expected, largest = 0.0, 0.0
    for low, high in zip(edges[:-1], edges[1:]):
        within = (confidence > low) & (confidence <= high)
        if within.any():
            gap = abs(right[within].mean() - confidence[within].mean())
            expected += within.mean() * gap
            largest = max(largest, gap)
    return float(expected), float(largest)


def averaged(values, support):
    known = [(value, weight) for value, weight in zip(values, support) if value is not None]
    return {
        "per_class": values,
        "macro": float(np.mean([value for value, _ in known])),
        "weighted": float(np.average([value for value, _ in known], weights=[weight for _, weight in known])),
    }


def areas(labels, scores, measure, support):
    """One against the rest, by class and averaged."""
    classes = scores.shape[1]
    truth = np.eye(classes, dtype=int)[labels]
    per_class = [
        float(measure(truth[:, c], scores[:, c])) if 0 < support[c] < len(labels) else None for c in range(classes)
    ]
    return {**averaged(per_class, support), "micro": float(measure(truth.ravel(), scores.ravel()))}


def top_k(labels, scores, k):
    """scikit-learn lets the last of equally probable classes win; turned around, the first one does, as it does here."""
    classes = scores.shape[1]
    return float(
        metrics.top_k_accuracy_score(classes - 1 - labels, scores[:, ::-1], k=k, labels=np.arange(classes))
    )


def wilson(right, examples):
    interval = binomtest(int(right), int(examples)).proportion_ci(0.95, method="wilson")
    return [float(interval.low), float(interval.high)]


def case(name, labels, probabilities):
    scores = probabilities.astype(np.float64)
    classes = scores.shape[1]
    names = np.arange(classes)
    predicted = scores.argmax(axis=1)
    right = predicted == labels
    support = np.bincount(labels, minlength=classes)
    confidence = scores.max(axis=1)
    expected, largest = expected_and_maximum_error(confidence, right)
    report = {
        average: dict(
            zip(
                ["precision", "recall", "f1"],
                map(
                    float,
                    metrics.precision_recall_fscore_support(
                        labels, predicted, labels=names, average=average, zero_division=0
                    )[:3],
                ),
            )
        )
        for average in ("macro", "weighted")
    }
    per_class = metrics.precision_recall_fscore_support(labels, predicted, labels=names, zero_division=0)
    roc = areas(labels, scores, metrics.roc_auc_score, support)
    if classes > 2 and support.all() and np.allclose(scores.sum(axis=1), 1.0):
        # What multi_class="ovr" says must be what was put together here.
        for average in ("macro", "weighted"):
            ovr = metrics.roc_auc_score(labels, scores, multi_class="ovr", average=average)
            assert abs(ovr - roc[average]) < 1e-12, (name, average)
    accepted = []
    for threshold in THRESHOLDS:
        sure = probabilities.max(axis=1) >= np.float32(threshold)
        accepted.append(
            {
                "threshold": threshold,
                "count": int(sure.sum()),
                "errors": int((sure & ~right).sum()),
                "wilson": wilson(right[sure].sum(), sure.sum()) if sure.any() else None,
            }
        )
    decided = []
    if classes == 2:
        for threshold in THRESHOLDS:
            taken = (probabilities[:, 1] >= np.float32(threshold)).astype(int)
            precision, recall, f1, _ = metrics.precision_recall_fscore_support(
                labels, taken, average="binary", zero_division=0
            )
            decided.append({"precision": float(precision), "recall": float(recall), "f1": float(f1)})
    return {
        "name": name,
        "classes": classes,
        "labels": labels.tolist(),
        "probabilities": [float(str(p)) for p in probabilities.ravel()],
        "predicted": predicted.tolist(),
        "confusion_matrix": metrics.confusion_matrix(labels, predicted, labels=names).ravel().tolist(),
        "report": {
            "precision": per_class[0].tolist(),
            "recall": per_class[1].tolist(),
            "f1": per_class[2].tolist(),
            **report,
        },
        "accuracy": float(metrics.accuracy_score(labels, predicted)),
        "wilson": wilson(right.sum(), len(labels)),
        "balanced_accuracy": float(metrics.recall_score(labels, predicted, labels=names[support > 0], average="macro")),
        "cohen_kappa": float(metrics.cohen_kappa_score(labels, predicted, labels=names)),
        "matthews_correlation": float(metrics.matthews_corrcoef(labels, predicted)),
        "log_loss": float(metrics.log_loss(labels, scores, labels=names)),
        "brier_score": float(metrics.brier_score_loss(labels, scores, labels=names)),
        "expected_error": expected,
        "maximum_error": largest,
        "roc": roc,
        "average_precision": areas(labels, scores, metrics.average_precision_score, support),
        "top_k": {str(k): top_k(labels, scores, k) for k in range(1, classes) if classes > 2},
        "accepted": accepted,
        "decided": decided,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=Path(__file__).parent)
    output = parser.parse_args().output
    rng = np.random.default_rng(9)
    ten = np.array([40, 20, 10, 8, 6, 5, 4, 3, 2, 2]) / 100
    cases = [
        case("three_classes", *drawn(rng, 3, 80, 1.5)),
        case("ten_classes", *drawn(rng, 10, 150, 2.0)),
        case("imbalanced", *drawn(rng, 10, 150, 1.5, shares=ten)),
        case("ties", *drawn(rng, 4, 80, 1.0, decimals=1)),
        case("a_class_without_examples", *drawn(rng, 4, 60, 1.5, shares=[0.5, 0.3, 0.0, 0.2])),
        case("binary", *drawn(rng, 2, 100, 1.0, shares=[0.7, 0.3])),
        case("binary_with_ties", *drawn(rng, 2, 60, 1.0, decimals=1)),
        case("perfect", *drawn(rng, 3, 30, 20.0)),
        case("no_better_than_chance", *drawn(rng, 3, 60, 0.0)),
    ]
    counts = [(0, 1), (1, 1), (0, 10), (8, 10), (10, 10), (45, 100), (9999, 10000), (7031, 10000)]
    intervals = [{"right": right, "examples": examples, "interval": wilson(right, examples)} for right, examples in counts]
    versions = {
        "scikit-learn": sklearn.__version__,
        "scipy": scipy.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
    }

    def rows(items):
        return ",\n".join(f"    {json.dumps(item, separators=(',', ':'), allow_nan=False)}" for item in items)

    path = output / "metrics_sklearn.json"
    path.write_text(
        "{\n"
        f'  "generator": "tests/parity/generate_metrics_sklearn.py",\n  "versions": {json.dumps(versions)},\n'
        f'  "cases": [\n{rows(cases)}\n  ],\n  "wilson": [\n{rows(intervals)}\n  ]\n'
        "}\n"
    )
    print(f"{path.name}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
