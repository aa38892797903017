"""The small network that ships as the starter: fine-tuned in minutes on four processor cores.

Command:   wetread train recipes/mobilenetv2.py --data out/cache --run out/mobilenetv2
           --weights out/phantoms/backbone.weights.h5
Weights:   of recipes/phantoms.py; or torchvision's by scripts/convert_torch_weights.py
Hardware:  processor cores
Time:      measured: about 7 s for 100 films an epoch on one core at 192 px
Expected:  see docs/study.md: measured by benchmarks/real_subset.py on 1,513 films

The rate is ten times that of recipes/resnet50.py, the same for all layers; weights are averaged.
The last epoch is kept: among so few validation films the best one is a matter of luck.
"""

from wetread.training.recipe import Recipe

RECIPE = Recipe(
    name="mobilenetv2",
    backbone="mobilenetv2_torch",
    image_px=192,
    transition_width=0,
    dropout=0.3,
    batch_size=16,
    frozen_epochs=3,
    frozen_learning_rate=1e-3,
    epochs=5,
    learning_rate=1e-3,
    warmup_epochs=1,
    keep="last",
    weight_decay=1e-2,
    ema=0.98,
    max_positive_weight=1.0,
    rotation_deg=7.0,
    shift=0.05,
    zoom=0.10,
    contrast=0.20,
    xla=False,
)
