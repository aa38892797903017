"""First steps on phantom films: what a chest looks like, before real films are too few to show it.

Command:   wetread train recipes/phantoms.py --data out/phantom-cache --run out/phantoms
           --weights out/weights/mobilenetv2_torch.weights.h5
Films:     wetread phantom out/phantoms-nih --patients 800 --size 256, then wetread prepare
Hardware:  processor cores
Time:      measured: 8 minutes on one core for 3,187 films
Expected:  0.96 on phantoms; what it gives on real films stands in docs/study.md

The next training starts from `backbone.weights.h5` of this run: see recipes/mobilenetv2.py.
"""

from wetread.training.recipe import Recipe

RECIPE = Recipe(
    name="phantoms",
    backbone="mobilenetv2_torch",
    image_px=160,
    transition_width=0,
    dropout=0.3,
    batch_size=16,
    frozen_epochs=3,
    frozen_learning_rate=1e-3,
    epochs=3,
    learning_rate=1e-3,
    base_rate=0.1,
    warmup_epochs=1,
    weight_decay=1e-2,
    ema=0.98,
    max_positive_weight=1.0,
    rotation_deg=7.0,
    shift=0.05,
    zoom=0.10,
    contrast=0.20,
    xla=False,
)
