"""What several verbs share: how a verb is added, options of an ensemble, the notice."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

NOTICE = "Research use only: not a medical device."


AddVerb = Callable[..., argparse.ArgumentParser]
"""Takes a verb's function, a line of what it does and examples; gives the verb's parser."""


def add_ensemble(sub: argparse.ArgumentParser) -> None:
    """Add `--with` and `--views`."""
    sub.add_argument(
        "--with",
        dest="ensemble",
        type=Path,
        nargs="+",
        default=[],
        metavar="RUN",
        help="average the logits of these runs too",
    )
    sub.add_argument(
        "--views",
        type=int,
        choices=range(1, 6),
        default=1,
        help="average over so many views of a film, at as many times the cost (1)",
    )
