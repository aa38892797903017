"""The verbs that show why: `explain` films as pictures, `index` others to find similar ones in."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from wetread.cli.options import NOTICE, AddVerb
from wetread.cli.progress import bar
from wetread.errors import InputError
from wetread.records import KINDS

if TYPE_CHECKING:
    from wetread.inference.pipeline import Result
    from wetread.records import Prediction

EXPLAINED_PX = 900


def add_verbs(add: AddVerb) -> None:
    """Add these verbs and their options."""
    sub = add(
        explain,
        "draw why films score as they do: boxes, scores, operating points, similar films",
        "film.png --out out/explained",
        "film.dcm --model out/bundle --operating-point high_sensitivity",
        "film.png --index out/films.npz --out out/explained",
    )
    sub.add_argument("paths", nargs="+", metavar="PATH", help="films, named as for screen")
    sub.add_argument("--model", type=Path, metavar="BUNDLE", help="made by export (the starter)")
    sub.add_argument(
        "--out",
        type=Path,
        default=Path("explained"),
        metavar="DIR",
        help="folder for a PNG a film and explained.json (explained)",
    )
    sub.add_argument(
        "--index", type=Path, metavar="NPZ", help="made by index with this model: shows films alike"
    )
    sub.add_argument(
        "--operating-point",
        choices=KINDS,
        default="balanced",
        help="which threshold names a finding (balanced)",
    )
    sub.add_argument(
        "--no-gate", action="store_true", help="explain any picture as it is, a chest film or not"
    )

    sub = add(
        index,
        "collect films that explain finds similar ones among",
        "films/ --out out/films.npz",
        "data/nih/images --labels data/nih/Data_Entry_2017_v2020.csv --out out/nih.npz",
        "films/ --model out/bundle --out out/films.npz",
    )
    sub.add_argument("paths", nargs="+", metavar="PATH", help="films, named as for screen")
    sub.add_argument("--model", type=Path, metavar="BUNDLE", help="made by export (the starter)")
    sub.add_argument(
        "--out", type=Path, default=Path("films.npz"), metavar="NPZ", help="the index (films.npz)"
    )
    sub.add_argument(
        "--labels",
        type=Path,
        metavar="CSV",
        help="NIH's table, or that of phantoms: labels to show",
    )


def explain(options: argparse.Namespace) -> None:
    from wetread.files import write_json
    from wetread.inference.film_index import features_of, read_index
    from wetread.inference.screen import Options, screen_sources
    from wetread.inference.sources import find_sources
    from wetread.inference.tuning import default_spread
    from wetread.model.bundle import load_bundle, starter_bundle
    from wetread.report.explanation import MOST_SIMILAR, draw_explanation, explain
    from wetread.report.overlay import write_picture

    bundle = load_bundle(options.model) if options.model else starter_bundle()
    films = read_index(options.index, bundle) if options.index else None
    sources = list(find_sources(options.paths))
    kind = options.operating_point
    records: list[dict[str, object]] = []

    def see(one: Prediction, result: Result) -> None:
        film = result.decoded.shown
        if film is None:
            records.append({"path": one.path, "status": one.status, "reason": one.reason})
            return
        height, width = result.decoded.size_px
        lies = result.decoded.turned_deg % 180 == 90
        size_px = (width, height) if lies else (height, width)
        similar = None
        if films is not None:
            similar = films.most_similar(features_of(bundle, result), MOST_SIMILAR)
        found = explain(bundle, one, result.maps, kind, size_px, similar)
        drawn = draw_explanation(film, found, kind, films)
        picture = write_picture(options.out, one.path, drawn)
        records.append({**found.as_record(), "picture": picture.name})

    settings = Options(kind, shown_px=EXPLAINED_PX, gated=not options.no_gate)
    with bar("films") as progress:
        found = screen_sources(bundle, sources, settings, default_spread(len(sources)), see)
        for at, _ in enumerate(found, 1):
            progress(at, len(sources))
    write_json(options.out / "explained.json", {"operating_point": kind, "films": records})
    refused = sum(record["status"] == "refused" for record in records)
    said = f", {refused} refused" if refused else ""
    print(f"{options.out}: {len(records):,} films{said}, explained.json. {NOTICE}")


def index(options: argparse.Namespace) -> None:
    from wetread.inference.film_index import index_films, write_index
    from wetread.inference.sources import find_sources
    from wetread.inference.tuning import default_spread
    from wetread.model.bundle import load_bundle, starter_bundle

    if options.out.suffix != ".npz":
        raise InputError(f"{options.out}: expected a name that ends in .npz")
    bundle = load_bundle(options.model) if options.model else starter_bundle()
    labels = _labels_in(options.labels) if options.labels else None
    sources = list(find_sources(options.paths))
    done = 0
    with bar("films") as progress:

        def seen(_: Prediction) -> None:
            nonlocal done
            done += 1
            progress(done, len(sources))

        films = index_films(bundle, sources, default_spread(len(sources)), labels, seen)
    write_index(options.out, films)
    refused = len(sources) - len(films.names)
    said = f", {refused:,} refused and left out" if refused else ""
    labeled = sum(one is not None for one in films.labels)
    with_labels = f", {labeled:,} with labels" if labels is not None else ""
    print(
        f"{options.out}: {len(films.names):,} films{with_labels}{said}. It holds small pictures of "
        f"them: keep it as you keep the films. {NOTICE}"
    )


def _labels_in(path: Path) -> dict[str, tuple[str, ...]]:
    """Return the labels of each film that NIH's table names."""
    from wetread.findings import LABELS
    from wetread.nih.metadata import read_entries

    table = read_entries(path)
    rows = zip(table["image_index"], table.select(LABELS).rows(), strict=True)
    return {
        name: tuple(label for label, has in zip(LABELS, row, strict=True) if has)
        for name, row in rows
    }
