"""Populations of answers whose true accuracy above any confidence is known."""

import numpy as np


def two_classes(confidence: np.ndarray, label: np.ndarray) -> np.ndarray:
    """Probabilities (n, 2) whose best class is `label` with this confidence."""
    probabilities = np.column_stack([1 - confidence, confidence])
    return np.where(label[:, None] == 1, probabilities, probabilities[:, ::-1])


def draw_confidence(random: np.random.Generator, n: int) -> np.ndarray:
    """Confidences in [0.5, 1], most of them high: 0.94 on average."""
    return 0.5 + 0.5 * random.beta(8, 1, n)


def draw(random: np.random.Generator, n: int, gap: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities and truth where a confidence of s is right with probability s - gap."""
    confidence = draw_confidence(random, n)
    label = random.integers(0, 2, n)
    right = random.random(n) < confidence - gap
    return two_classes(confidence, label), np.where(right, label, 1 - label)


def lowest_threshold(accuracy: float, gap: float) -> float:
    """Lowest confidence above which the true accuracy is this high, from 100,000 draws."""
    confidence = np.sort(draw_confidence(np.random.default_rng(99), 100_000))[::-1]
    above = np.cumsum(confidence) / np.arange(1, len(confidence) + 1)
    return float(confidence[above - gap >= accuracy][-1])
