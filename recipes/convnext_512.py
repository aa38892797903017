"""ConvNeXt-Tiny at 512 px, after a stage on small films: for small findings and a large GPU.

Command:   wetread prepare data/nih out/cache512 --size 512
           wetread train recipes/convnext_512.py --data out/cache512 --run out/convnext_512
Hardware:  one GPU with 40 GB that computes in bfloat16; 29 GB of disk for the cache
Time:      an estimate: 75,700 training films x (4 epochs at 256 px of 11.7 GFLOPs + 6 at 512 px of
           46.6) x 3 passes are 7.4e16 operations; at 60 TFLOP/s reached, 20 minutes of arithmetic,
           in practice two to three hours
Expected:  mean AUROC 0.82 to 0.84 over the 14 findings on the official test list, an estimate from
           networks of this size at 448 to 512 px in the literature; not measured here

Small films first: most of what there is to learn does not need 512 pixels, and a step on them
costs a quarter. Nodules and pneumothoraces do; the second stage sees them. Attention pooling lets a
label look at one place of the 16 x 16 map.
"""

from wetread.training.recipe import Recipe

RECIPE = Recipe(
    name="convnext_512",
    backbone="convnext_tiny",
    image_px=512,
    transition_width=0,
    pooling="attention",
    dropout=0.2,
    batch_size=32,
    frozen_epochs=0,
    small_px=256,
    small_epochs=4,
    epochs=6,
    learning_rate=1e-4,
    base_rate=0.1,
    warmup_epochs=1,
    weight_decay=5e-2,
    ema=0.999,
    max_positive_weight=1.0,
    label_smoothing=0.05,
    rotation_deg=7.0,
    shift=0.05,
    zoom=0.10,
    contrast=0.20,
    gamma=0.2,
    erasing=0.1,
    patience=3,
    mixed_precision=True,
)
