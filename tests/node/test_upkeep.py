"""The verbs that look after what a node keeps, and the drift that it reports."""

from __future__ import annotations

import time
from io import BytesIO
from pathlib import Path

import pytest
from pydicom import dcmread, dcmwrite
from sqlalchemy import text

from tests.hospital import film, settings
from wetread.cli import main
from wetread.inference.tuning import Spread
from wetread.node.intake import take_film
from wetread.node.parts import open_parts
from wetread.node.worker import load_models, score_once


def write(path: Path, number: int, **elements: object) -> Path:
    out = BytesIO()
    dcmwrite(out, film(number, **elements), enforce_file_format=True)
    path.write_bytes(out.getvalue())
    return path


def test_old_studies_go_with_their_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    parts = open_parts(settings(tmp_path))
    for number, days in ((1, 100), (2, 1)):
        data = write(tmp_path / "film.dcm", number).read_bytes()
        take_film(parts.store, parts.films, data, "TEST", time.time() - 86_400 * days)
    score_once(parts, load_models(parts.config), Spread(1, 1, 2))
    assert len(list(parts.films.folder.rglob("*.dcm"))) == 2
    parts.close()
    config = tmp_path / "wetread.toml"
    config.write_text(f'[node]\ndata = "{parts.config.node.data}"\nkeep_free_mb = 0\n')
    assert main(["purge", "--older-than", "90d", "--config", str(config)]) == 0
    assert "1 studies, 1 films and 1 patients" in capsys.readouterr().out
    assert len(list(parts.films.folder.rglob("*.dcm"))) == 1
    assert len(list(parts.results.folder.rglob("*-sr.dcm"))) == 1
    again = open_parts(parts.config)
    with again.store.read() as db:
        assert db.execute(text("SELECT action FROM audit")).scalars().all() == ["purge"]
    again.close()


def test_an_age_that_is_none_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["purge", "--older-than", "long"])
    assert "expected an age" in capsys.readouterr().err


def test_copies_have_no_patient(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    films = [write(tmp_path / f"{n}.dcm", n, BurnedInAnnotation="NO") for n in (1, 2)]
    films.append(write(tmp_path / "3.dcm", 3, BurnedInAnnotation="YES"))
    salt = tmp_path / "salt"
    salt.write_bytes(bytes(32))
    out = tmp_path / "out"
    options = ["--out", str(out), "--salt-file", str(salt)]
    assert main(["deidentify", *map(str, films), *options]) == 2
    said = capsys.readouterr()
    assert "2 films" in said.out
    assert "left out" in said.err
    copies = sorted(out.iterdir())
    assert [path.name for path in copies] == ["film-000001.dcm", "film-000002.dcm"]
    for path in copies:
        assert b"Secret" not in path.read_bytes()
        assert b"SECRET" not in path.read_bytes()
        assert dcmread(path).pixel_array.shape == (256, 256)
