import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from wetread.training.probe import STRENGTHS, best_strengths, fit_probe


def drawn(n_films=300, n_features=12):
    generator = np.random.default_rng(4)
    features = generator.normal(3, 2, (n_films, n_features)).astype(np.float32)
    logits = (features - 3) @ generator.normal(0, 0.5, (n_features, 3)) + [0, -1.5, 1]
    return features, generator.random(logits.shape) < 1 / (1 + np.exp(-logits))


def test_it_is_the_logistic_regression_of_scikit_learn():
    features, labels = drawn()
    strengths = np.array([0.01, 0.1, 1.0])
    scores = fit_probe(features, labels, strengths).scores(features)
    scaled = StandardScaler().fit_transform(features)
    for column, strength in enumerate(strengths):
        theirs = LogisticRegression(C=1 / (strength * len(features)), tol=1e-8)
        expected = theirs.fit(scaled, labels[:, column]).predict_proba(scaled)[:, 1]
        np.testing.assert_allclose(scores[:, column], expected, atol=2e-3)


def test_a_label_of_one_class_gets_its_share_and_no_weights():
    features, labels = drawn()
    labels[:, 1] = False
    features[:, 0] = 5.0  # a feature that never varies
    probe = fit_probe(features, labels, np.ones(3))
    assert not probe.weights[:, 1].any()
    np.testing.assert_allclose(probe.scores(features)[:, 1], 0.5 / 301, rtol=1e-4)
    assert np.isfinite(probe.scores(features)).all()


def test_noise_is_held_back_more_than_signal():
    generator = np.random.default_rng(2)
    features = generator.normal(size=(240, 100)).astype(np.float32)
    labels = np.column_stack([features[:, :3].sum(axis=1) > 0, generator.random(240) < 0.5])
    signal, noise = best_strengths(features, labels, np.arange(240) % 2 == 0)
    assert noise >= 1 > 0.3 >= signal
    assert {noise, signal} <= set(STRENGTHS)
