"""A node in, the drift of its last days out; computed at most once a minute."""

from __future__ import annotations

import threading
import time
from dataclasses import asdict
from typing import Any, Final

from wetread.evaluation.drift import watch
from wetread.model.bundle import load_bundle, starter_bundle
from wetread.node.parts import Parts, now
from wetread.worklist.drift import observe, reference_for

_DAY_SECONDS: Final = 86_400.0
_KEPT_SECONDS: Final = 60.0
_lock = threading.Lock()


def drifted(node: Parts, days: float) -> dict[str, Any]:
    """Return the drift of each quantity, and what it is compared with."""
    known: dict[float, tuple[float, dict[str, Any]]] = node.kept.setdefault("drift", {})
    with _lock:
        if days not in known or time.monotonic() - known[days][0] > _KEPT_SECONDS:
            known.clear()
            known[days] = time.monotonic(), _compute(node, days)
        return known[days][1]


def _compute(node: Parts, days: float) -> dict[str, Any]:
    path = node.config.node.model
    bundle = starter_bundle() if path is None else load_bundle(path)
    digest = str(bundle.card["model_sha256"])
    with node.store.read() as db:
        reference = reference_for(db, bundle)
        observed = observe(db, now() - days * _DAY_SECONDS, now(), digest)
    found = watch(reference, observed) if reference is not None else []
    source = reference.source if reference is not None else None
    return {"reference": source, "quantities": [asdict(one) for one in found]}
