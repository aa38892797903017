import csv
import json
import re
from pathlib import Path

import cv2
import numpy as np
import polars as pl
import pytest

from wetread.dataset.corrections import COLUMNS, correct_labels
from wetread.errors import OutputError
from wetread.evaluation.label_audit import audit_finding
from wetread.findings import LABELS
from wetread.report.audit_page import write_audit_page

N_FILMS = 60
NAMES = [f"{number:08d}_000.png" for number in range(N_FILMS)]


def read_film(name: str) -> np.ndarray:
    film = np.full((64, 64), 40, np.uint8)
    film[:, : 1 + int(name[:8]) % 64] = 200
    return film


def scored() -> pl.DataFrame:
    """Films of 30 patients, the last ten of the test list, with labels and scores drawn."""
    generator = np.random.default_rng(5)
    labels = generator.random((N_FILMS, 15)) < 0.3
    scores = np.clip(0.3 * generator.random(labels.shape) + 0.5 * labels, 0, 1)
    return pl.DataFrame(
        {
            "image_index": NAMES,
            "patient_id": np.arange(N_FILMS) // 2,
            "split": ["train_val"] * 50 + ["test"] * 10,
            **{f"truth.{name}": labels[:, i] for i, name in enumerate(LABELS)},
            **{f"score.{name}": scores[:, i] for i, name in enumerate(LABELS)},
        }
    )


def write(out: Path, top: int = 12, **changes) -> Path:
    films = scored()
    audits = {
        name: audit_finding(
            films[f"truth.{name}"].to_numpy(),
            films[f"score.{name}"].to_numpy(),
            films["patient_id"].to_numpy(),
            resamples=10,
        )
        for name in ("Effusion", "Pleural_Thickening")
    }
    options = {"page_id": "abc", "note": "5 folds <b>", "read_film": read_film} | changes
    return write_audit_page(out, films, audits, top=top, **options)


def data_of(page: Path) -> dict:
    text = page.read_text("utf-8")
    return json.loads(re.search(r'id="data">(.*?)</script>', text, flags=re.S)[1])


@pytest.fixture
def opened(chromium, tmp_path: Path):
    """The page in a browser of its own, which must reach no network and raise no error."""
    context = chromium.new_context(accept_downloads=True)
    page, errors, asked = context.new_page(), [], []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(write(tmp_path / "audit").as_uri())
    yield page
    context.close()
    assert not errors
    assert all(url.startswith(("file:", "blob:")) for url in asked)


def saved(page, folder: Path) -> list[dict[str, str]]:
    with page.expect_download() as download:
        page.click("#save")
    assert download.value.suggested_filename == "verdicts.csv"
    download.value.save_as(folder / "verdicts.csv")
    with (folder / "verdicts.csv").open(newline="") as file:
        table = csv.DictReader(file)
        assert tuple(table.fieldnames) == COLUMNS
        return list(table)


def test_the_page_holds_the_most_suspect_films_of_either_label(tmp_path: Path):
    seen = []
    page = write(tmp_path, progress=lambda *at: seen.append(at))
    data = data_of(page)
    films = scored()
    assert [one["name"] for one in data["findings"]] == ["Effusion", "Pleural_Thickening"]
    for finding, name in enumerate(("Effusion", "Pleural_Thickening")):
        items = [one for one in data["items"] if one[1] == finding]
        assert [label for *_, label, _, _ in items].count(1) == 12
        assert [label for *_, label, _, _ in items].count(0) == 12
        ranks = [one[4] for one in items]
        assert ranks == sorted(ranks)
        assert ranks[0] == 1
        for film, _, label, score, _ in items:
            row = films.row(
                by_predicate=pl.col("image_index") == data["films"][film][0], named=True
            )
            assert row[f"truth.{name}"] == bool(label)
            assert row[f"score.{name}"] == pytest.approx(score, abs=1e-4)
            assert data["films"][film][2] == row["split"]
            carried = [LABELS[n] for n in data["films"][film][1]]
            assert carried == [one for one in LABELS if row[f"truth.{one}"]]
    files = sorted(path.name for path in (tmp_path / "films").iterdir())
    assert files == sorted(f"{name}.jpg" for name, *_ in data["films"])
    assert seen[-1] == (len(files), len(files))
    shown = cv2.imread(str(tmp_path / "films" / files[3]), cv2.IMREAD_UNCHANGED)
    assert shown.shape == (64, 64)
    assert np.abs(shown.astype(int) - read_film(files[3])).mean() < 3


def test_a_page_is_written_again_and_needs_no_other_file_than_its_films(tmp_path: Path):
    write(tmp_path, top=20)
    page = write(tmp_path, top=2)
    names = {f"{name}.jpg" for name, *_ in data_of(page)["films"]}
    assert {path.name for path in (tmp_path / "films").iterdir()} == names
    text = page.read_text("utf-8")
    assert not re.search(r"https?://", text)
    assert "5 folds &lt;b&gt;" in text


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path):
    (tmp_path / "audit").write_text("in the way")
    with pytest.raises(OutputError, match="cannot be written"):
        write(tmp_path / "audit")


def test_verdicts_by_mouse_and_key_are_saved_as_csv_and_applied(opened, tmp_path: Path):
    page = opened
    assert page.locator("html").get_attribute("data-theme") == "dark"
    assert page.locator("#claim").inner_text() in {
        "Label says: Effusion",
        "Label says: no Effusion",
    }
    page.fill("#reader", 'Dr. "A", B')
    page.locator("#reader").blur()
    judged = [page.locator("#name").inner_text()]
    page.click("text=Label is wrong")
    judged.append(page.locator("#name").inner_text())
    page.keyboard.press("2")
    judged.append(page.locator("#name").inner_text())
    page.keyboard.press("3")
    page.select_option("#finding", label="Pleural Thickening")
    page.locator("#finding").blur()
    judged.append(page.locator("#name").inner_text())
    page.keyboard.press("1")
    rows = saved(page, tmp_path)
    assert [row["verdict"] for row in rows] == ["wrong", "right", "cannot tell", "wrong"]
    assert [row["image_index"] for row in rows] == judged
    assert [row["finding"] for row in rows] == ["Effusion"] * 3 + ["Pleural_Thickening"]
    assert {row["reader"] for row in rows} == {'Dr. "A", B'}
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+Z", row["timestamp"]) for row in rows)

    films = scored().rename({f"truth.{name}": name for name in LABELS})
    films = films.with_columns(pl.lit("train_val").alias("official_list"))
    corrected, [done] = correct_labels(films, [tmp_path / "verdicts.csv"])
    assert (done.n_verdicts, done.n_wrong, done.n_corrected) == (4, 2, 2)
    for row in (rows[0], rows[3]):
        place = NAMES.index(row["image_index"])
        assert corrected[row["finding"]][place] != films[row["finding"]][place]


def test_progress_is_kept_undone_and_loaded(opened, chromium, tmp_path: Path):
    page = opened
    first = page.locator("#name").inner_text()
    for key in "12":
        page.keyboard.press(key)
    page.reload()
    assert "2 of 24" in page.locator("#done").inner_text()
    assert page.locator("#films li").first.inner_text().endswith("wrong")
    assert page.locator("#name").inner_text() == first
    assert page.locator('[data-verdict="wrong"]').get_attribute("aria-pressed") == "true"
    page.keyboard.press("3")  # another verdict on the same film takes the place of the first
    assert [row["verdict"] for row in saved(page, tmp_path)] == ["cannot tell", "right"]
    page.keyboard.press("u")
    assert [row["verdict"] for row in saved(page, tmp_path)] == ["wrong", "right"]
    page.check("#open")
    assert "of 22" in page.locator("#range").inner_text()

    elsewhere = chromium.new_context()  # a reader on another machine goes on with the file
    other = elsewhere.new_page()
    other.goto(page.url)
    assert "0 of 24" in other.locator("#done").inner_text()
    other.set_input_files("#file", tmp_path / "verdicts.csv")
    other.wait_for_selector("#notice:not([hidden])")
    assert "2 verdicts loaded" in other.locator("#notice").inner_text()
    assert "2 of 24" in other.locator("#done").inner_text()
    (tmp_path / "wrong.csv").write_text("a,b\n1,2\n")
    other.set_input_files("#file", tmp_path / "wrong.csv")
    other.wait_for_function("document.getElementById('notice').textContent.includes('expected')")
    elsewhere.close()


def test_films_are_filtered_moved_through_inverted_and_shown_in_the_light(opened):
    page = opened
    page.select_option("#side", "1")
    assert "of 12" in page.locator("#range").inner_text()
    assert all("not" not in text for text in page.locator("#films small").all_inner_texts())
    page.select_option("#list", "test")
    assert page.locator("#split").inner_text() == "test list"
    page.select_option("#side", "any")
    page.select_option("#list", "any")
    page.locator("#films button").first.click()
    page.keyboard.press("ArrowRight")
    assert page.locator("#films button").nth(1).get_attribute("aria-current") == "true"
    page.locator("#films button").nth(5).click()
    assert page.locator("#name").inner_text() in page.locator("#films li").nth(5).inner_text()
    page.wait_for_function("document.getElementById('film').naturalWidth === 64")
    page.keyboard.press("i")
    assert "invert" in page.locator("#film").evaluate("film => getComputedStyle(film).filter")
    page.click("#light-box")
    assert page.locator("#zoom").get_attribute("aria-pressed") == "true"
    page.click("#theme")
    page.reload()
    assert page.locator("html").get_attribute("data-theme") == "light"


def test_thousands_of_films_open_at_once(chromium, tmp_path: Path):
    page_file = write(tmp_path)
    data = data_of(page_file)
    data["films"] = [[f"{number}.png", [], "train_val"] for number in range(5000)]
    data["items"] = [[number, 0, number % 2, 0.5, number + 1] for number in range(5000)]
    text = page_file.read_text("utf-8")
    text = re.sub(r'(id="data">).*?(</script>)', lambda m: m[1] + json.dumps(data) + m[2], text)
    (tmp_path / "many.html").write_text(text)
    page = chromium.new_page()
    page.goto((tmp_path / "many.html").as_uri())
    assert "1 to 50 of 5,000" in page.locator("#range").inner_text()
    taken_ms = page.evaluate(
        "() => { const began = performance.now();"
        " for (let i = 0; i < 20; i++) judge('wrong');"
        " return (performance.now() - began) / 20; }"
    )
    assert taken_ms < 150, "a verdict must feel immediate"
    assert page.locator("#films li").count() == 50
    page.click("#later")
    assert "51 to 100" in page.locator("#range").inner_text()
    page.close()
