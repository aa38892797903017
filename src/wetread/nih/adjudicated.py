"""Google's files of adjudicated readings in, one typed table with our column names out.

    NIH_DIR/google_adjudicated/four_findings_test_labels.csv
    NIH_DIR/google_adjudicated/four_findings_validation_labels.csv
    NIH_DIR/google_adjudicated/all_findings_test_labels.csv

The first two are of Majkowska et al. (Radiology 2020): three radiologists a film, disagreements
adjudicated in up to five rounds. The third is of Nabulsi et al. (Scientific Reports 2021): the
majority of three radiologists, PA films alone. Google's "test" films are all in NIH's test list,
its "validation" films all in train+val. This module is the only reader of these files.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import polars as pl

from wetread.errors import DuplicateImageError, MissingPathError, TableError
from wetread.findings import FINDINGS
from wetread.nih.metadata import as_numbers, read_csv

FOLDER: Final = "google_adjudicated"

MAPPING: Final = {
    "pneumothorax": ("Pneumothorax",),
    "nodule_or_mass": ("Nodule", "Mass"),
    "airspace_opacity": ("Infiltration", "Consolidation", "Pneumonia", "Edema", "Atelectasis"),
}
"""Finding of the readers -> the labels of NIH that claim it, any of which counts.

The groups are wetread's reading of the definitions in Majkowska et al. 2020. The fourth finding of
the readers, fracture, has no label of NIH. The score of a group is the highest of its labels'
scores, which was settled before any result was seen.
"""

LABEL_QUALITY: Final = {
    "pneumothorax": (97, 103, 98, 1664),
    "nodule_or_mass": (134, 103, 161, 1564),
    "airspace_opacity": (574, 174, 561, 653),
}
"""NIH's label against the readers on Google's 1,962 test films, counted from the first file:
true positives, false positives, false negatives, true negatives. A test on the file repeats it."""
NO_FINDING_WRONG: Final = (353, 770)
"""Of the 770 of these films labeled No Finding, how many have one of the readers' four findings."""

READER: Final = "reader."
"""What the columns of the third file begin with, before the name of a label."""

_FOUR: Final = {
    "Pneumothorax": "pneumothorax",
    "Nodule or mass": "nodule_or_mass",
    "Airspace opacity": "airspace_opacity",
    "Fracture": "fracture",
}
_ALL: Final = {
    "Abnormal": "abnormal",
    **{f.name.replace("_", " "): f"{READER}{f.name}" for f in FINDINGS},
    "Other": "other",
}
_FILES: Final = {
    "four_findings_test_labels.csv": ("Image Index", _FOUR),
    "four_findings_validation_labels.csv": ("Image Index", _FOUR),
    "all_findings_test_labels.csv": ("Image ID", _ALL),
}
_SETS: Final = {"test": "test", "val": "validation"}
_ANSWERS: Final = {"YES": True, "NO": False}


def read_adjudicated(nih_dir: Path) -> pl.DataFrame | None:
    """Read those of the files that are in `nih_dir`, or return None without their folder.

    Returns:
        A row a film, sorted by `image_index` str: `patient_id` int64, `adjudicated_set` ("test" or
        "validation"); Boolean, and null where no file that was read has them: `pneumothorax`,
        `nodule_or_mass`, `airspace_opacity`, `fracture`, `abnormal`, `other` (a finding that is
        none of the 14), and `reader.<label>` for each of the 14 findings.

    Raises:
        MissingPathError: the folder has none of the files.
        TableError: a column is missing, or a value is empty or of another kind than its column.
        DuplicateImageError: a film twice.
    """
    folder = nih_dir / FOLDER
    if not folder.is_dir():
        return None
    tables = [_read(folder / name) for name in _FILES if (folder / name).is_file()]
    if not tables:
        raise MissingPathError(f"{folder}: none of {', '.join(_FILES)}")
    for columns in (_FOUR, _ALL):
        names = [t["image_index"] for t in tables if set(columns.values()) <= set(t.columns)]
        listed = pl.concat(names) if names else pl.Series("image_index", [], dtype=pl.String)
        if listed.is_duplicated().any():
            twice = listed.filter(listed.is_duplicated())[0]
            raise DuplicateImageError(f"{folder}: {twice!r} was read more than once")
    schema = dict.fromkeys((*_FOUR.values(), *_ALL.values()), pl.Boolean)
    rows = pl.concat([pl.DataFrame(schema=schema), *tables], how="diagonal")
    keys = ["image_index", "patient_id", "adjudicated_set"]
    films = rows.group_by(keys).agg(pl.col(name).drop_nulls().first() for name in schema)
    if films["image_index"].is_duplicated().any():
        raise TableError(f"{folder}: a film of two patients or sets; expected its files to agree")
    return films.select(*keys, *schema).sort("image_index")


def _read(path: Path) -> pl.DataFrame:
    index, answers = _FILES[path.name]
    raw = read_csv(path)
    has_sets = answers is _FOUR  # the third file is of Google's test films alone
    needed = [index, "Patient ID", *answers, *(["Set Id"] if has_sets else [])]
    if missing := [name for name in needed if name not in raw.columns]:
        raise TableError(f"{path}: no column {missing[0]!r}; found {', '.join(raw.columns)}")
    table = raw.select(
        pl.col(index).str.strip_chars().alias("image_index"),
        pl.col("Patient ID").alias("patient_id"),
        (pl.col("Set Id") if has_sets else pl.lit("test"))
        .replace_strict(_SETS, default=None, return_dtype=pl.String)
        .alias("adjudicated_set"),
        *(
            pl.col(theirs).replace_strict(_ANSWERS, default=None, return_dtype=pl.Boolean).alias(o)
            for theirs, o in answers.items()
        ),
    )
    expected = {
        "image_index": "an image index",
        "adjudicated_set": "one of test, val",
        **dict.fromkeys(answers.values(), "YES or NO"),
    }
    for column, said in expected.items():
        if table[column].null_count():
            row = (table[column].is_null().arg_max() or 0) + 1
            raise TableError(f"{path}, row {row}: {column} is not {said}")
    return as_numbers(table, path, whole=("patient_id",))
