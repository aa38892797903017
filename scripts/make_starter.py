"""Make the bundle that ships with wetread from runs that were evaluated together.

wetread evaluate RUN --with RUN2 --views 5 --out out/starter
python scripts/make_starter.py RUN --with RUN2 --views 5 --metrics out/starter --kermany FILMS

The runs must have been trained on NIH's official split, the first one with seed 1: its backbone is
what `--weights starter` starts from. The card gets the AUROC on the films of another hospital
(Kermany et al. 2018: normal or pneumonia), each film there being of another child, and what 16-bit
weights cost on the test films.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
from pathlib import Path

import h5py
import numpy as np
import polars as pl

from wetread.evaluation.curves import Undefined, auroc
from wetread.evaluation.intervals import delong_interval
from wetread.files import write_json
from wetread.findings import LABELS
from wetread.images.preprocess import resize
from wetread.inference.engine import Engine
from wetread.inference.export import export_bundle
from wetread.inference.screen import screen
from wetread.model.bundle import CARD, MODEL_CARD, Bundle, load_bundle
from wetread.report.model_card import model_card_of
from wetread.training.run import BACKBONE, Run, open_run
from wetread.training.scoring import cache_of, films_of, load_ensemble, scored_by

STARTER = Path(__file__).parent.parent / "src" / "wetread" / "starter"
PURPOSE = "Demonstration and warm starts. Trained on too few films to be relied on."


def main(options: argparse.Namespace) -> None:
    runs = [open_run(path) for path in (options.run, *options.ensemble)]
    network = load_ensemble(runs, options.views)
    performance = json.loads((options.metrics / "metrics.json").read_text("utf-8"))
    assert performance["scored_by"] == scored_by(runs, options.views), "other runs were evaluated"
    trained_on = [set(run.films.filter(split="train")["image_index"]) for run in runs]
    run = runs[0]
    origin = {
        "recipe": run.about_recipe(),
        "runs": len(runs),
        "views": options.views,
        "backbone_weights_from": "torchvision's MobileNetV2, trained on ImageNet, then on phantom "
        "films (recipes/phantoms.py)",
        "trained_on": f"{len(trained_on[0]):,} films of the official train+val list of NIH "
        f"ChestX-ray14 a run, {len(set.union(*trained_on)):,} in all; the films that a run was not "
        "trained on chose the operating points and fitted the calibration",
        "data_sha256": run.about["data_sha256"],
        "versions": run.about["versions"],
    }
    with tempfile.TemporaryDirectory() as scratch:
        bundles = {}
        for half in (False, True):
            path = Path(scratch) / ("half" if half else "full")
            export_bundle(
                network,
                path,
                cache_px=run.about["cache_px"],
                activation="sigmoid",
                origin=origin,
                performance=performance,
                precision="float16" if half else "float32",
                films=films_of(run, cache_of(run)),
            )
            bundles[half] = load_bundle(path)
        difference = scores_apart(run, bundles[False], bundles[True])
        card = dict(bundles[True].card)
        card["performance"] = performance | {
            "other_hospital": on_kermany(bundles[True], options.kermany),
            "largest_score_difference_of_16_bit_weights": difference,
        }
        card["purpose"] = PURPOSE
        shutil.rmtree(STARTER, ignore_errors=True)
        shutil.copytree(bundles[True].path, STARTER)
    write_json(STARTER / CARD, card)
    (STARTER / MODEL_CARD).write_text(model_card_of(options.metrics, card["performance"]), "utf-8")
    halve(run.path / BACKBONE, STARTER / BACKBONE)
    for file in sorted(STARTER.iterdir()):
        print(f"{file.name}: {file.stat().st_size / 1e6:.1f} MB")
    print(json.dumps(card["performance"]["other_hospital"], indent=1), difference)


def scores_apart(run: Run, full: Bundle, half: Bundle) -> float:
    """Return the largest difference of a score on the test films."""
    cache = cache_of(run)
    rows = run.films.filter(split="test")["row"].to_numpy()
    films = np.stack([resize(cache.images[row], full.image_px) for row in rows])
    return float(np.abs(Engine(full).score(films).scores - Engine(half).score(films).scores).max())


def on_kermany(bundle: Bundle, kermany: Path) -> dict[str, object]:
    """Return the AUROC of pneumonia against normal, by two scores, with intervals."""
    table = pl.read_csv(kermany / "labels.csv")
    paths = [kermany / "images" / name for name in table["image"]]
    scores = np.array([one.scores for one in screen(paths, model=bundle, gated=False)])
    sick = table["label"].to_numpy() == "PNEUMONIA"
    found: dict[str, object] = {
        "films": "Kermany et al. 2018, children, another hospital",
        "n_images": len(scores),
        "n_pneumonia": int(sick.sum()),
    }
    by = {
        "score of Pneumonia": scores[:, LABELS.index("Pneumonia")],
        "priority (1 - score of No Finding)": 1.0 - scores[:, LABELS.index("No Finding")],
    }
    for name, values in by.items():
        value = auroc(sick, values)
        interval = delong_interval(sick, values, np.arange(len(scores)))
        assert not isinstance(value, Undefined)
        assert not isinstance(interval, Undefined)
        found[f"auroc by {name}"] = {"auroc": value, "low": interval.low, "high": interval.high}
    return found


def halve(source: Path, target: Path) -> None:
    """Copy a weights file with its float32 arrays in 16 bits; Keras reads either."""
    with h5py.File(source) as old, h5py.File(target, "w") as new:

        def copy(name: str, item: h5py.Group | h5py.Dataset) -> None:
            if isinstance(item, h5py.Dataset):
                values = item[()]
                kept = values.astype(np.float16) if values.dtype == np.float32 else values
                made = new.create_dataset(name, data=kept)
            else:
                made = new.require_group(name)
            for key, value in item.attrs.items():
                made.attrs[key] = value

        old.visititems(copy)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--with", dest="ensemble", type=Path, nargs="+", default=[], metavar="RUN")
    parser.add_argument("--views", type=int, default=1)
    parser.add_argument("--metrics", type=Path, required=True, metavar="DIR")
    parser.add_argument("--kermany", type=Path, required=True, metavar="DIR")
    main(parser.parse_args())
