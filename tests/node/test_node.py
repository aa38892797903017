"""Films from dcmtk into a node, first reads in Orthanc: the whole way, with the real parts."""

from __future__ import annotations

import re
import subprocess
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

import highdicom as hd
import pytest
from pydicom import Dataset, dcmread
from sqlalchemy import func, select

from tests.hospital import needs, orthanc, settings, store_scu, until, write_films
from wetread import service
from wetread.worklist.store import open_store
from wetread.worklist.tables import DELIVERIES, FILMS, STUDIES

COUNT = 200


@pytest.fixture(scope="module")
def delivered(tmp_path_factory: pytest.TempPathFactory) -> list[Dataset]:
    """What Orthanc has after 200 films came into the node in four associations."""
    needs("storescu", "echoscu")
    folder = tmp_path_factory.mktemp("hospital")
    films = write_films(folder / "films", COUNT)
    with orthanc(folder / "orthanc") as archive:
        config = settings(folder, [archive.archive])
        with service.running(config) as parts:
            port = config.dicom.port
            subprocess.run(["echoscu", "127.0.0.1", str(port)], check=True, timeout=20)
            with ThreadPoolExecutor(4) as pool:
                sent = list(pool.map(lambda n: store_scu(port, films[n::4]), range(4)))
            assert [one.returncode for one in sent] == [0] * 4, sent
            until(lambda: archive.count >= 2 * COUNT, 120)
            with parts.store.read() as db:
                states = dict(
                    db.execute(select(FILMS.c.state, func.count()).group_by(FILMS.c.state)).all()
                )  # type: ignore[arg-type]
                dead = db.execute(select(func.count()).where(DELIVERIES.c.state == "dead")).scalar()
                statuses = {row.status for row in db.execute(select(STUDIES.c.status))}
            assert sum(states.values()) == COUNT
            assert set(states) <= {"scored", "flagged"}
            assert not dead
            assert "waiting" not in statuses
            files = [archive.get(f"/instances/{one}/file") for one in archive.get("/instances")]
    return [dcmread(BytesIO(one)) for one in files]


def test_each_film_has_one_report_and_one_picture(delivered: list[Dataset]) -> None:
    kinds = Counter((ds.Modality, ds.StudyInstanceUID) for ds in delivered)
    assert len(delivered) == 2 * COUNT
    assert set(kinds.values()) == {1}
    assert Counter(modality for modality, _ in kinds) == {"SR": COUNT, "OT": COUNT}


def test_every_result_is_valid(delivered: list[Dataset], tmp_path: Path) -> None:
    needs("dciodvfy")
    for number, ds in enumerate(delivered):
        path = tmp_path / f"{number}.dcm"
        ds.save_as(path)
        said = subprocess.run(
            ["dciodvfy", str(path)], capture_output=True, text=True, timeout=30, check=False
        )
        assert not re.findall(r"^Error.*", said.stdout + said.stderr, re.MULTILINE)


def test_results_say_whose_they_are_and_what_viewers_need(delivered: list[Dataset]) -> None:
    for ds in delivered:
        assert str(ds.PatientID).startswith("SECRET")
        assert ds.StudyDate == "20260102"
        assert ds.SeriesInstanceUID != ds.SOPInstanceUID
        assert {"SeriesNumber", "SeriesDescription", "InstanceNumber", "AccessionNumber"} <= set(
            ds.dir()
        )
        if ds.Modality == "OT":
            assert ds.pixel_array.shape == (ds.Rows, ds.Columns, 3)
            assert ds.SourceImageSequence[0].ReferencedSOPInstanceUID
        else:
            report = hd.sr.ComprehensiveSR.from_dataset(ds)
            assert report.content.get_image_measurement_groups()


def test_a_node_ends_within_seconds_and_leaves_nothing_claimed(tmp_path: Path) -> None:
    config = settings(tmp_path)
    films = write_films(tmp_path / "films", 30)
    with service.running(config) as parts:
        assert store_scu(config.dicom.port, films).returncode == 0
        with parts.store.read() as db:
            assert db.execute(select(func.count()).select_from(FILMS)).scalar() == 30
    store = open_store(config.store_url)
    with store.read() as db:
        states = Counter(row.state for row in db.execute(select(FILMS.c.state)))
    store.close()
    assert states.total() == 30
    assert "scoring" not in states
    assert not list(tmp_path.rglob(".partial-*"))
