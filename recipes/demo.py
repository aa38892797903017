"""A small network on phantom films: shows the whole way in minutes, proves nothing about patients.

Command:   make demo
Hardware:  two processor cores, 2 GB
Time:      about two minutes of training for 1,000 films
Expected:  mean AUROC over 15 labels above 0.70 on phantom test films
"""

from wetread.training.recipe import Recipe

RECIPE = Recipe(
    name="demo",
    backbone="small_residual",
    image_px=128,
    transition_width=128,
    dropout=0.2,
    batch_size=32,
    epochs=12,
    learning_rate=2e-3,
    weight_decay=1e-3,
    rotation_deg=4.0,
    shift=0.04,
    zoom=0.06,
    contrast=0.15,
    xla=False,
)
