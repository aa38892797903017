import re
from pathlib import Path

import pytest

from wetread.errors import UnknownLabelError
from wetread.findings import FINDINGS, LABELS, NO_FINDING, label_of


def test_there_are_fifteen_labels_and_no_finding_is_last():
    assert len(LABELS) == len(set(LABELS)) == 15
    assert LABELS[-1] == NO_FINDING.name == "No Finding"
    assert LABELS[:3] == ("Atelectasis", "Cardiomegaly", "Effusion")


@pytest.mark.parametrize(
    ("spelling", "label"),
    [
        ("Infiltrate", "Infiltration"),
        ("Pleural Thickening", "Pleural_Thickening"),
        ("Pleural_Thickening", "Pleural_Thickening"),
        (" no finding ", "No Finding"),
        ("Hernia", "Hernia"),
    ],
)
def test_each_spelling_of_nih_has_its_label(spelling, label):
    assert label_of(spelling) == label


@pytest.mark.parametrize("spelling", ["", "Tumor", "Mass|Nodule"])
def test_another_spelling_is_refused_and_named(spelling):
    with pytest.raises(UnknownLabelError, match=re.escape(repr(spelling))):
        label_of(spelling)


def test_codes_are_those_of_the_reference_table(real_data: Path):
    table = (real_data.parent / "reference" / "finding_codes.csv").read_text().splitlines()[1:]
    given = {row.split(",")[0]: tuple(row.split(",")[1:3]) for row in table}
    ours = {
        finding.name: (finding.snomed_ct, finding.radlex) for finding in (*FINDINGS, NO_FINDING)
    }
    assert ours == given
