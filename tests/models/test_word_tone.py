"""What words and signs alone make of a tone, and how much it counts beside the head."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from data.errors import BundleError
from models.tone_words import read_tone_words
from models.word_tone import FILE, WordTone, fit_join, join

ROOT = Path(__file__).parents[2]
TONES = ("negative", "neutral", "positive")
SAID = {
    "negative": ("this is awful", "I hate the {}", "the {} drives me mad :("),
    "neutral": ("the {} is on port 80", "open the {}", "which {} is it?"),
    "positive": ("thanks, the {} is great!", "I love the {}", "the {} works :-)"),
}
TEXTS = [
    sentence.format(thing)
    for sentences in SAID.values()
    for sentence in sentences
    for thing in ("printer", "form", "list", "update")
]
LABELS = [tone for tone in SAID for _ in range(12)]


@pytest.fixture(scope="module")
def tone() -> WordTone:
    return WordTone.fit(read_tone_words(), TEXTS, LABELS, "sentiment")


def test_signs_and_words_tell_a_tone(tone: WordTone) -> None:
    assert tone.classes == TONES
    found = tone.scores(["the door is awful :(", "great door, thanks!", "open the door"])
    np.testing.assert_allclose(found.sum(axis=1), 1)
    assert found.argmax(axis=1).tolist() == [0, 2, 1]
    assert tone.scores([]).shape == (0, 3)


def test_what_is_kept_answers_the_same(tone: WordTone, tmp_path: Path) -> None:
    tone.save(tmp_path)
    again = WordTone.load(tmp_path)
    assert again.weight == tone.weight
    np.testing.assert_array_equal(again.scores(TEXTS), tone.scores(TEXTS))


def test_what_is_damaged_is_refused(tone: WordTone, tmp_path: Path) -> None:
    tone.save(tmp_path)
    told = json.loads((tmp_path / FILE).read_text())
    for damaged in (told | {"weight": 9}, told | {"lexicon": {"joy": []}}, []):
        (tmp_path / FILE).write_text(json.dumps(damaged))
        with pytest.raises(BundleError, match="reads no tone"):
            WordTone.load(tmp_path)
    (tmp_path / FILE).write_text(json.dumps(told))
    (tmp_path / "idf.safetensors").write_bytes(b"x")
    with pytest.raises(BundleError, match="reads no tone"):
        WordTone.load(tmp_path)


def test_without_weight_the_head_alone_answers() -> None:
    head, words = np.array([[0.7, 0.2, 0.1]]), np.array([[0.1, 0.1, 0.8]])
    np.testing.assert_allclose(join(head, words, 0.0), head)
    # 0.7 * 0.1 : 0.2 * 0.1 : 0.1 * 0.8 = 7 : 2 : 8
    np.testing.assert_allclose(join(head, words, 1.0), [[7 / 17, 2 / 17, 8 / 17]])
    assert np.isfinite(join(np.array([[1.0, 0.0, 0.0]]), np.array([[0.0, 0.0, 1.0]]), 1.0)).all()


def test_the_better_opinion_is_listened_to() -> None:
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 3, 400)
    right = 0.7 * np.eye(3)[truth] + 0.1
    right[rng.random(400) < 0.15] = 1 / 3
    noise = rng.dirichlet([5, 5, 5], 400)
    assert fit_join(right, noise, truth)[0] < 0.2
    assert fit_join(noise, right, truth)[0] > 1.0


def test_who_answers_needs_no_library_of_who_learns(tone: WordTone, tmp_path: Path) -> None:
    tone.save(tmp_path)
    code = (
        "import sys; from pathlib import Path; from models.word_tone import WordTone;"
        f"WordTone.load(Path({str(tmp_path)!r})).scores(['great']);"
        "print([n for n in ('sklearn', 'pandas', 'torch', 'scipy.optimize') if n in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
