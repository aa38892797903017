import json
from pathlib import Path

import polars as pl
import pytest

from wetread.errors import OutputError
from wetread.files import replace_file, write_json


def test_a_file_is_replaced_whole(tmp_path: Path):
    target = tmp_path / "new" / "a.json"
    write_json(target, {"a": 1})
    write_json(target, {"a": 2})
    assert json.loads(target.read_text()) == {"a": 2}
    assert [p.name for p in target.parent.iterdir()] == ["a.json"]


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path):
    target = tmp_path / "a.txt"
    target.write_text("old")

    def fail(temporary: Path) -> None:
        temporary.write_text("half")
        raise OSError(28, "No space left on device")

    with pytest.raises(OutputError, match=r"a\.txt: cannot be written \(No space left on device\)"):
        replace_file(target, fail)
    assert target.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_nan_is_refused(tmp_path: Path):
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "a.json", {"a": float("nan")})


def test_a_parquet_file_that_does_not_fit_is_an_output_error(tmp_path: Path):
    table = pl.DataFrame({"a": list(range(100))})

    def no_room(temporary: Path) -> None:
        table.write_parquet(temporary / "no folder" / "a.parquet")

    def polars_error(temporary: Path) -> None:
        raise pl.exceptions.ComputeError("parquet: No space left on device (os error 28)")

    for write in (no_room, polars_error):
        with pytest.raises(OutputError, match=r"a\.parquet: cannot be written"):
            replace_file(tmp_path / "a.parquet", write)
    assert not list(tmp_path.iterdir())
