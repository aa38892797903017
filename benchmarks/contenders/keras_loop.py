"""Films in, scores out as a plain script with Keras does it; run by benchmarks/screen.py.

python keras_loop.py LIST
"""

import sys
from pathlib import Path

import keras
import numpy as np


def main(names: Path) -> None:
    model = keras.applications.ResNet50(weights=None, classes=15, input_shape=(224, 224, 3))
    paths = names.read_text().splitlines()
    for start in range(0, len(paths), 16):
        some = paths[start : start + 16]
        films = [keras.utils.load_img(path, target_size=(224, 224)) for path in some]
        batch = np.stack([keras.utils.img_to_array(film) for film in films])
        batch = keras.applications.resnet50.preprocess_input(batch)
        for path, scores in zip(some, model.predict(batch, verbose=0), strict=True):
            print(path, *scores)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
