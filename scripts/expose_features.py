"""Give a bundle that was exported without features that output; `wetread index` needs it.

python scripts/expose_features.py src/wetread/starter

The graph gets one more output and the card the new hash. Logits and maps stay what they were, to
the last bit, which is tried on noise before anything is written.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
import onnx

from wetread.errors import BundleError
from wetread.files import replace_file, write_json
from wetread.inference.engine import Engine
from wetread.inference.features import FEATURES, expose_features
from wetread.model.bundle import CARD, MODEL, Bundle, file_sha256, load_bundle


def main(path: Path) -> None:
    bundle = load_bundle(path)
    model = expose_features(onnx.load(bundle.model_path))
    if FEATURES not in {one.name for one in model.graph.output}:
        raise BundleError(f"{path}: its last layer sees no pooled features")
    side = bundle.image_px
    films = np.random.default_rng(0).integers(0, 256, (8, side, side), dtype=np.uint8)
    with tempfile.TemporaryDirectory() as folder:
        onnx.save(model, Path(folder) / MODEL)
        exposed = Bundle(Path(folder), bundle.card, bundle.cache_px, side, bundle.activation)
        before, after = (Engine(one, threads=1).score(films) for one in (bundle, exposed))
    same = np.array_equal(before.scores, after.scores)
    if before.maps is not None and after.maps is not None:
        same = same and np.array_equal(before.maps, after.maps)
    if not same:
        raise BundleError(f"{path}: its scores would change")
    replace_file(bundle.model_path, lambda temporary: onnx.save(model, temporary))
    write_json(path / CARD, dict(bundle.card) | {"model_sha256": file_sha256(path / MODEL)})


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("bundle", type=Path)
    main(parser.parse_args().bundle)
