import keras
import numpy as np
import pytest

from wetread.dataset.augment import Augmentation
from wetread.inference.export import to_onnx
from wetread.model.classifier import HeadDesign, build_classifier
from wetread.model.ensemble import average, over_views

pytestmark = pytest.mark.usefixtures("few_networks")


def network(seed: int, image_px: int = 64, head: str = "transition") -> keras.Model:
    keras.utils.set_random_seed(seed)
    return build_classifier(
        backbone="small_residual",
        image_px=image_px,
        weights="none",
        head=HeadDesign(head, 16),
        input_scaling=True,
        augmentation=Augmentation(),
        seed=seed,
    ).model


FILMS = np.random.default_rng(1).integers(0, 256, (3, 64, 64), dtype=np.uint8)


def test_an_ensemble_gives_the_mean_of_its_members():
    members = [network(1), network(2), network(3)]
    given = average(members)(FILMS)
    for name in ("logits", "saliency"):
        each = np.array([member(FILMS)[name] for member in members])
        assert np.abs(given[name] - each.mean(axis=0)).max() < 1e-5
        assert np.abs(each[0] - each[1]).max() > 1e-3


def test_one_member_is_itself():
    alone = network(1)
    assert average([alone]) is alone


def test_maps_that_do_not_fit_are_left_out():
    assert set(average([network(1), network(2, head="flatten")])(FILMS)) == {"logits"}


def test_members_of_other_film_sizes_are_refused():
    with pytest.raises(ValueError, match="films of 64 and 96 px"):
        average([network(1), network(2, image_px=96)])


def test_views_are_averaged_and_the_maps_are_of_the_whole_film():
    model = network(1)
    side, seen = 64, 61
    parts = [FILMS[:, t : t + seen, u : u + seen] for t, u in ((0, 0), (3, 3), (0, 3), (3, 0))]
    resized = [
        np.asarray(keras.ops.image.resize(part[..., None].astype(np.float32), (side, side)))[..., 0]
        for part in parts
    ]
    films = [FILMS, *(np.rint(one).astype(np.uint8) for one in resized)]
    expected = np.mean([model(one)["logits"] for one in films], axis=0)
    seen_five = over_views(model, 5)(FILMS)
    assert np.abs(seen_five["logits"] - expected).max() < 1e-5
    assert np.array_equal(seen_five["saliency"], model(FILMS)["saliency"])
    assert over_views(model, 1) is model


def test_an_ensemble_over_views_is_exported():
    model = over_views(average([network(1), network(2)]), 3)
    exported = to_onnx(model)
    assert {output.name for output in exported.graph.output} == {"logits", "saliency", "features"}
