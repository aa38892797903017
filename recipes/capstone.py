"""The student's capstone that this project started from, as it was: a baseline, not advice.

Command:   wetread train recipes/capstone.py --data out/cache --run out/capstone
Hardware:  the capstone took 25 h 45 min on one GPU (30 epochs of 2,975 s, 26 films/s)
Expected:  mean AUROC 0.746 over 15 classes *on its own split*, its figure; not comparable with
           figures on the official split

ResNet50 with ImageNet weights, frozen, then Flatten, two dense layers of 256 (ReLU, LeCun uniform,
L2 0.005) and a softmax over 15 classes; RMSprop 1e-4; smoothed class weights (0.2). What is wrong
with it is kept: films are split 70/15/15 by image, so patients are in several splits; a film with
several labels keeps its last one; gray values go in unscaled. Its second phase (everything
unfrozen, Adam 0.005) destroyed its model and is left out.
"""

from wetread.training.recipe import Recipe

RECIPE = Recipe(
    name="capstone",
    backbone="resnet50",
    image_px=224,
    head="flatten",
    dropout=0.0,
    input_scaling=False,
    split="by_image",
    target="last_label",
    loss="softmax",
    optimizer="rmsprop",
    batch_size=32,
    frozen_epochs=30,
    frozen_learning_rate=1e-4,
    augment_frozen=True,
    schedule="constant",
    rotation_deg=1.0,
    shift=0.1,
    zoom=0.1,
    shear=0.1,
)
