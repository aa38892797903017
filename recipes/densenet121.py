"""DenseNet-121 on the official split: the network of CheXNet, with this project's training.

Command:   wetread train recipes/densenet121.py --data out/cache --run out/densenet121
Hardware:  one GPU with 16 GB; out/cache made by `wetread prepare data/nih out/cache --size 256`
Time:      an estimate: 75,700 training films x 8 epochs x 3 passes x 5.7 GFLOPs (2.87 G
           multiply-adds at 224 px) are 1.0e16 operations; at 15 TFLOP/s reached, 12 minutes of
           arithmetic, in practice about an hour since the network is bound by memory
Expected:  mean AUROC 0.81 to 0.83 over the 14 findings on the official test list, an estimate from
           DenseNets in the literature at 224 px; not measured here

The head is trained first on cached features, then everything, the first layers at a tenth of the
rate of the last. Weights are averaged; the epoch with the best validation mean AUROC is kept.
"""

from wetread.training.recipe import Recipe

RECIPE = Recipe(
    name="densenet121",
    backbone="densenet121",
    image_px=224,
    transition_width=0,
    dropout=0.2,
    batch_size=32,
    frozen_epochs=2,
    frozen_learning_rate=1e-3,
    epochs=8,
    learning_rate=2e-4,
    base_rate=0.1,
    warmup_epochs=1,
    weight_decay=1e-3,
    ema=0.999,
    max_positive_weight=1.0,
    rotation_deg=7.0,
    shift=0.05,
    zoom=0.10,
    contrast=0.20,
    patience=3,
    mixed_precision=True,
)
