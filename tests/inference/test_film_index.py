"""An index finds films like another, and nothing else is taken for one."""

import dataclasses
import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from wetread.cli import main
from wetread.errors import InputError, MissingPathError
from wetread.inference.film_index import FilmIndex, read_index, write_index
from wetread.model.bundle import starter_bundle
from wetread.phantom.folder import write_phantoms

INDEX = FilmIndex(
    starter_bundle().card["model_sha256"],
    np.array([(1, 0), (0.6, 0.8), (0, 1), (-1, 0)], np.float32),
    ("films/0.png", "films/1.png", "films/2.png", "films/3.png"),
    (("Mass",), None, None, ()),
    (b"a", b"bb", b"", b"c"),
)


def test_the_most_similar_come_first_by_the_cosine():
    query = np.array([3.1, 4.0], np.float32)
    found = INDEX.most_similar(query, 3)
    assert [one.name for one in found] == ["films/1.png", "films/2.png", "films/0.png"]
    lengths = np.linalg.norm(query)
    assert found[0].similarity == pytest.approx((3.1 * 0.6 + 4.0 * 0.8) / lengths, abs=1e-6)
    assert (found[0].thumbnail, found[0].labels) == (b"bb", None)
    assert found[2].labels == ("Mass",)


def test_the_film_itself_is_left_out():
    assert INDEX.most_similar(np.array([2, 0], np.float32), 1)[0].name == "films/1.png"
    assert INDEX.most_similar(np.array([2, 0.01], np.float32), 1)[0].name == "films/0.png"


def test_what_two_films_at_random_have_is_the_mean_over_pairs():
    pairs = [a @ b for i, a in enumerate(INDEX.features) for b in INDEX.features[:i]]
    assert INDEX.at_random == pytest.approx(np.mean(pairs), abs=1e-6)
    alone = dataclasses.replace(INDEX, features=INDEX.features[:1], names=INDEX.names[:1])
    assert alone.at_random is None


def test_features_of_another_length_are_refused():
    with pytest.raises(InputError, match="2 features a film, not 3"):
        INDEX.most_similar(np.ones(3, np.float32), 3)


def test_a_film_without_any_feature_is_similar_to_nothing():
    assert {one.similarity for one in INDEX.most_similar(np.zeros(2, np.float32), 9)} == {0.0}


def test_an_index_is_read_as_it_was_written(tmp_path: Path):
    index = dataclasses.replace(INDEX, names=("a/\udcff.png", "b", "c", "é"))
    write_index(tmp_path / "x.npz", index)
    again = read_index(tmp_path / "x.npz", starter_bundle())
    assert np.array_equal(again.features, index.features)
    for name in ("model_sha256", "names", "labels", "thumbnails"):
        assert getattr(again, name) == getattr(index, name)
    assert [path.name for path in tmp_path.iterdir()] == ["x.npz"]


@pytest.mark.parametrize(
    "change",
    [
        {"names": ("a",)},
        {"labels": (("Cough",), None, None, None)},
        {"features": np.full((4, 2), np.nan, np.float32)},
        {"thumbnails": (b"",)},
    ],
    ids="-".join,
)
def test_parts_that_do_not_fit_are_no_index(change: dict[str, object], tmp_path: Path):
    write_index(tmp_path / "x.npz", dataclasses.replace(INDEX, **change))
    with pytest.raises(InputError, match="not an index of films"):
        read_index(tmp_path / "x.npz", starter_bundle())


def test_other_files_and_other_models_are_refused(tmp_path: Path):
    bundle, path = starter_bundle(), tmp_path / "x.npz"
    with pytest.raises(MissingPathError, match="wetread index"):
        read_index(path, bundle)
    for content in (b"", b"PK no zip", b"text"):
        path.write_bytes(content)
        with pytest.raises(InputError, match="not an index of films"):
            read_index(path, bundle)
    with path.open("wb") as file:
        np.savez(file, about=np.array([{"a": 1}], dtype=object))  # a pickle is never loaded
    with pytest.raises(InputError, match="not an index of films"):
        read_index(path, bundle)
    write_index(path, dataclasses.replace(INDEX, model_sha256="0" * 64))
    with pytest.raises(InputError, match="of another model"):
        read_index(path, bundle)


@pytest.fixture(scope="module")
def phantoms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("phantoms") / "films"
    write_phantoms(folder, patients=8, size_px=256, seed=1)
    return folder


def test_explain_shows_the_most_similar_films_with_their_labels(phantoms: Path, tmp_path: Path):
    films = sorted((phantoms / "images").iterdir())
    out, table = tmp_path / "films.npz", str(phantoms / "Data_Entry_2017_v2020.csv")
    assert main(["index", str(phantoms / "images"), "--labels", table, "--out", str(out)]) == 0
    (tmp_path / "copy.png").write_bytes(films[0].read_bytes())
    film = cv2.imread(str(films[0]), cv2.IMREAD_GRAYSCALE)
    cv2.imwrite(str(tmp_path / "darker.png"), film - film // 20)
    line = [str(tmp_path / name) for name in ("copy.png", "darker.png")]
    shown, plain = tmp_path / "explained", tmp_path / "without"
    assert main(["explain", *line, "--index", str(out), "--out", str(shown)]) == 0
    copy, darker = json.loads((shown / "explained.json").read_text())["films"]
    assert len(copy["similar"]) == 3
    assert films[0].name not in {Path(one["path"]).name for one in copy["similar"]}
    assert Path(darker["similar"][0]["path"]).name == films[0].name
    assert darker["similar"][0]["labels"]
    assert main(["explain", *line, "--out", str(plain)]) == 0
    without = json.loads((plain / "explained.json").read_text())["films"][1]
    assert "similar" not in without
    heights = [cv2.imread(str(at / darker["picture"])).shape[0] for at in (shown, plain)]
    assert heights[0] > heights[1]


def test_labels_of_other_films_are_refused(phantoms: Path, tmp_path: Path, capsys):
    film = next((phantoms / "images").iterdir())
    (tmp_path / "unlisted.png").write_bytes(film.read_bytes())
    table = str(phantoms / "Data_Entry_2017_v2020.csv")
    line = ["index", str(tmp_path / "unlisted.png"), "--out", str(tmp_path / "x.npz")]
    assert main([*line, "--labels", table]) == 2
    assert "none of which is among those indexed" in capsys.readouterr().err
    assert not (tmp_path / "x.npz").exists()
    assert main(line) == 0
