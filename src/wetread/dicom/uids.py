"""A film and what read it in, UIDs of what was made of it out: the same again has the same UIDs.

So a result that is sent twice is one instance in the archive. Another film under the same UID, or
another model, makes others.
"""

from __future__ import annotations

import uuid
from typing import Final

_OURS: Final = uuid.UUID("8d9a5b1e-3c0f-5b7e-9a53-6f0d2b6c4e17")
_ROOT: Final = "2.25."  # a UUID as a UID needs no registered root: PS3.5 B.2, ITU-T X.667


def result_uid(content_sha256: str, model_sha256: str, what: str) -> str:
    """Return a UID of at most 44 characters.

    Args:
        content_sha256: of the film's data set.
        model_sha256: of the model that read it.
        what: "sr", "sc", "gsps"; "sr series" and so on for the series that holds it.
    """
    return _ROOT + str(uuid.uuid5(_OURS, f"{what} {content_sha256} {model_sha256}").int)


def device_uid(model_sha256: str) -> str:
    """Return the UID of a model as the device that observes."""
    return result_uid("", model_sha256, "device")
