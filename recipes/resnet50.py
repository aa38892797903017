"""ResNet50 by transfer learning on the official split: the main recipe.

Command:   wetread train recipes/resnet50.py --data out/cache --run out/resnet50
Hardware:  one GPU with 16 GB; out/cache made by `wetread prepare data/nih out/cache --size 256`
Time:      an estimate, not measured: at 400 films/s of training about an hour for the 75,700
           training films; the features of the frozen stage take 22 GB of disk meanwhile
Expected:  mean AUROC 0.80 to 0.82 over the 14 findings on the official test list, an estimate from
           ResNet-50s in the literature at 224 px without other chest films; not measured here

Two stages. The head is trained on the frozen backbone's features, computed once, so that its random
start does not disturb the ImageNet weights. Then everything is fine-tuned at a tenth of the rate on
augmented films, by a cosine schedule; the epoch with the best validation mean AUROC is kept.
"""

from wetread.training.recipe import Recipe

RECIPE = Recipe(
    name="resnet50",
    backbone="resnet50",
    image_px=224,
    transition_width=512,
    dropout=0.3,
    batch_size=32,
    frozen_epochs=5,
    frozen_learning_rate=1e-3,
    epochs=8,
    learning_rate=1e-4,
    weight_decay=1e-4,
    max_positive_weight=10.0,
    rotation_deg=7.0,
    shift=0.05,
    zoom=0.10,
    contrast=0.15,
)
