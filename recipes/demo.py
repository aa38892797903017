"""The starter's network fine-tuned on phantom films: real transfer learning, in minutes.

Command:   make demo
Hardware:  two processor cores, 2 GB
Time:      two to three minutes of training for 1,000 films
Expected:  mean AUROC over 15 labels above 0.85 on phantom test films, which proves nothing about
           patients

It starts from the model that ships (`--weights starter`), which was trained on real films.
"""

from wetread.training.recipe import Recipe

RECIPE = Recipe(
    name="demo",
    backbone="mobilenetv2_torch",
    image_px=128,
    transition_width=0,
    dropout=0.2,
    batch_size=16,
    frozen_epochs=4,
    frozen_learning_rate=2e-3,
    epochs=5,
    learning_rate=1e-3,
    base_rate=0.1,
    warmup_epochs=1,
    weight_decay=1e-2,
    ema=0.98,
    max_positive_weight=1.0,
    rotation_deg=4.0,
    shift=0.04,
    zoom=0.06,
    contrast=0.15,
    xla=False,
)
