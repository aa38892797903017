"""Films in, nothing out but their scores: what the processors can do at most.

    python limit.py MODEL.onnx PX LIST

Every processor has a thread that decodes films as wetread does, resizes them and scores them by
OpenVINO on one stream, with nothing else: no gate, no queue, no other process, no table.
"""

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import openvino

from wetread.images.raster import decode_film

BATCH = 4


def main(model_path: str, px: int, names: Path) -> None:
    cv2.setNumThreads(1)
    threads = len(os.sched_getaffinity(0))
    model = openvino.Core().compile_model(
        model_path,
        "CPU",
        {
            "INFERENCE_PRECISION_HINT": "f32",
            "NUM_STREAMS": threads,
            "INFERENCE_NUM_THREADS": threads,
        },
    )
    paths = names.read_text().splitlines()
    batches = [paths[start : start + BATCH] for start in range(0, len(paths), BATCH)]

    def score(batches: list[list[str]]) -> int:
        request, done = model.create_infer_request(), 0
        for batch in batches:
            films = [decode_film(Path(path).read_bytes(), path) for path in batch]
            small = [cv2.resize(film, (px, px), interpolation=cv2.INTER_AREA) for film in films]
            request.infer([np.stack(small)])
            done += len(batch)
        return done

    with ThreadPoolExecutor(threads) as pool:
        print(sum(pool.map(score, [batches[at::threads] for at in range(threads)])))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))
