import dataclasses
import re
from pathlib import Path

import pytest

from tests.conftest import RECIPE
from wetread.errors import MissingPathError, RecipeError
from wetread.training.recipe import Recipe, change_recipe, load_recipe, recipe_from_mapping

RECIPES = sorted((Path(__file__).parents[2] / "recipes").glob("*.py"))


@pytest.mark.parametrize("path", RECIPES, ids=lambda p: p.stem)
def test_a_shipped_recipe_loads_and_says_how_to_run_it(path: Path):
    assert load_recipe(path).name == path.stem
    text = path.read_text()
    for word in ("Command:", "Hardware:", "Expected:"):
        assert word in text


def test_the_capstone_is_the_published_one():
    recipe = load_recipe(next(p for p in RECIPES if p.stem == "capstone"))
    assert (recipe.split, recipe.target, recipe.loss) == ("by_image", "last_label", "softmax")
    assert (recipe.frozen_epochs, recipe.frozen_learning_rate) == (30, 1e-4)
    assert (recipe.optimizer, recipe.batch_size, recipe.image_px) == ("rmsprop", 32, 224)
    assert not recipe.input_scaling
    assert recipe.augment_frozen


def test_settings_are_typed_and_the_last_one_wins():
    changed = change_recipe(
        RECIPE, ["epochs=3", "epochs=5", "dropout=0.5", "xla=true", "loss=softmax", "name=a=b"]
    )
    assert (changed.epochs, changed.dropout, changed.xla) == (5, 0.5, True)
    assert (changed.loss, changed.name) == ("softmax", "a=b")


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        ("epoch=1", "setting 'epoch=1', expected key=value with one of name, backbone"),
        ("epochs", "setting 'epochs', expected key=value"),
        ("epochs=two", "epochs = 'two', expected int"),
        ("epochs=1.5", "epochs = '1.5', expected int"),
        ("dropout=high", "dropout = 'high', expected float"),
        ("xla=yes", "xla = 'yes', expected true or false"),
        ("loss=mse", "loss = 'mse', expected one of weighted_bce, focal"),
        ("dropout=1.5", "dropout = 1.5, expected 0.0 to 0.99"),
        ("image_px=7", "image_px = 7, expected 32 to 1024"),
        ("epochs=-1", "must not be negative"),
        ("epochs=0", "nor all 0"),
    ],
)
def test_a_wrong_setting_stops_the_program(setting, says):
    with pytest.raises(RecipeError, match=re.escape(says)):
        change_recipe(RECIPE, [setting])


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"patience": 2, "keep": "last"}, 'patience with keep "last"'),
        ({"small_epochs": 1, "head": "flatten"}, 'small_epochs with head "flatten"'),
        ({"warmup_epochs": 3}, "warmup_epochs = 3, expected 0 to"),
    ],
)
def test_fields_that_contradict_each_other_are_refused(fields, says):
    with pytest.raises(RecipeError, match=re.escape(says)):
        dataclasses.replace(RECIPE, **fields)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("RECIPE = 3", "expected `RECIPE = Recipe"),
        ("x = 1", "expected `RECIPE = Recipe"),
        ("RECIPE = (", "was never closed"),
        (
            "from wetread.training.recipe import Recipe\nRECIPE = Recipe(name='a', epohcs=1)",
            "unexpected keyword argument 'epohcs'",
        ),
    ],
)
def test_a_file_that_is_no_recipe_is_refused(tmp_path: Path, text, says):
    path = tmp_path / "mine.py"
    path.write_text(text)
    with pytest.raises(RecipeError, match=says):
        load_recipe(path)
    with pytest.raises(MissingPathError, match="expected a recipe"):
        load_recipe(tmp_path / "none.py")


def test_a_recorded_recipe_is_rebuilt_and_one_of_another_version_refused():
    values = dataclasses.asdict(RECIPE)
    assert recipe_from_mapping(values) == RECIPE
    with pytest.raises(RecipeError, match="momentum"):
        recipe_from_mapping(values | {"momentum": 0.9})


def test_every_field_is_explained():
    for field in dataclasses.fields(Recipe):
        assert re.search(rf"\b{field.name}\b", Recipe.__doc__ or ""), field.name
