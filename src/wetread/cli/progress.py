"""What a verb reports while it works in, a bar on standard error out."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tqdm import tqdm


@contextmanager
def bar(unit: str) -> Iterator[Callable[[int, int], None]]:
    """Show a progress bar on standard error while the body reports (done, total)."""
    with tqdm(unit=f" {unit}", file=sys.stderr, leave=False, disable=None) as shown:

        def progress(done: int, total: int) -> None:
            shown.total = total
            shown.update(done - shown.n)

        yield progress


@contextmanager
def training_bar() -> Iterator[Callable[[Any], None]]:
    """Show stage, epoch, loss and last validation AUROC; in a log file, a line an epoch."""
    with tqdm(unit=" steps", file=sys.stderr, leave=False, disable=None) as shown:

        def report(at: Any) -> None:
            shown.total = at.epochs * at.steps
            shown.update((at.epoch - 1) * at.steps + at.step - shown.n)
            auroc = "-" if at.val_mean_auroc is None else f"{at.val_mean_auroc:.3f}"
            shown.set_description(f"{at.stage} epoch {at.epoch}/{at.epochs}", refresh=False)
            shown.set_postfix_str(f"loss {at.loss:.3f}, validation AUROC {auroc}", refresh=False)
            if shown.disable and at.step == at.steps:
                print(f"{at.stage} epoch {at.epoch}/{at.epochs}: loss {at.loss:.3f}", flush=True)

        yield report
