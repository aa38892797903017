import dataclasses

import keras
import numpy as np
import pytest

from tests.conftest import RECIPE
from wetread.training.optimizer import averaged, build_optimizer, freeze, rate_factors, trunk
from wetread.training.train import classifier_of


def recipe(**fields):
    return dataclasses.replace(RECIPE, backbone="small_residual", image_px=64, **fields)


def optimizer_of(of, classifier, **options):
    settings = {"rate": 0.1, "epochs": 4, "steps": 10, "warmup": 0} | options
    return build_optimizer(of, classifier, **settings)


def rates(optimizer, steps):
    return [float(optimizer._learning_rate(step)) for step in steps]


def test_the_rate_warms_up_and_falls_to_zero():
    of = recipe()
    classifier = classifier_of(of, "none")
    cosine = optimizer_of(of, classifier, warmup=1)
    assert rates(cosine, [0, 5, 10, 25, 40]) == pytest.approx([0, 0.05, 0.1, 0.05, 0], abs=1e-6)
    accumulated = optimizer_of(recipe(accumulation=2), classifier)
    assert rates(accumulated, [0, 10, 20]) == pytest.approx([0.1, 0.05, 0], abs=1e-6)


def test_factors_grow_by_equal_ratios_to_the_head():
    base = classifier_of(recipe(), "none").base
    factors = list(rate_factors(base, 0.01).values())
    assert factors[0] == pytest.approx(0.01)
    assert 0.7 < factors[-1] < 1.0
    steps = sorted(set(factors))
    ratios = np.divide(steps[1:], steps[:-1])
    assert ratios == pytest.approx(ratios[0])


def test_a_layer_moves_at_its_own_rate():
    """AdamW's first step is the rate itself, whatever the gradient: so it shows each rate."""
    of = recipe(base_rate=0.01, weight_decay=0.0, schedule="constant")
    classifier = classifier_of(of, "none")
    variables = classifier.model.trainable_variables
    optimizer = optimizer_of(of, classifier, rate=1e-3)
    optimizer.build(variables)
    before = [np.array(v) for v in variables]
    optimizer.apply([keras.ops.ones_like(v) for v in variables], variables)
    factors = rate_factors(classifier.base, 0.01)
    for variable, old in zip(variables, before, strict=True):
        moved = np.abs(np.array(variable) - old).max()
        assert moved == pytest.approx(1e-3 * factors.get(variable.path, 1.0), rel=1e-2)


def test_a_share_of_the_layers_is_frozen_from_the_film():
    base = classifier_of(recipe(), "none").base
    freeze(base, below=0.5)
    trainable = [bool(x.trainable_variables) for x in trunk(base).layers if x.weights]
    assert not any(trainable[: len(trainable) // 3])
    assert all(trainable[-3:])
    freeze(base, below=1.0)
    assert not base.trainable_variables
    freeze(base, below=0.0)
    assert all(x.trainable_variables for x in trunk(base).layers if x.weights)


def test_averaged_weights_are_there_for_a_while():
    of = recipe(ema=0.5, schedule="constant")
    classifier = classifier_of(of, "none")
    model = classifier.model
    model.compile(optimizer_of(of, classifier))
    model.optimizer.build(model.trainable_variables)
    variable, passed = model.trainable_variables[0], []
    for _ in range(2):  # the average begins with what the first step gave
        model.optimizer.apply(
            [keras.ops.ones_like(v) for v in model.trainable_variables], model.trainable_variables
        )
        passed.append(np.array(variable))
    with averaged(model):
        assert np.allclose(np.array(variable), np.mean(passed, axis=0), atol=1e-6)
    assert np.array_equal(np.array(variable), passed[1])
