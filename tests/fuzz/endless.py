"""Damaged films made by coverage in, a file in the working folder out for each that does harm.

    python -m tests.fuzz.endless [FOLDER] [-max_total_time=600]     (make fuzz)

Atheris changes the films of the corpus so that ever more of our code runs. An error that is not
ours, a film that takes over 5 s and memory over 2 GB end it and leave the file behind as `crash-*`,
`timeout-*` or `oom-*`.
"""

import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["wetread.images", "pydicom"]):
    from wetread.images import dicom, film

    assert dicom

from tests.fuzz.corpus import damaged_files, hostile_files, whole_files
from wetread.errors import WetreadError

SEEDS = 500


def decode(data: bytes) -> None:
    try:
        film.decode_film(data, "film")
    except WetreadError:
        return


def main(arguments: list[str]) -> None:
    folders = [Path(one) for one in arguments[1:] if not one.startswith("-")]
    if folders:
        folders[0].mkdir(parents=True, exist_ok=True)
        seeds = [*whole_files(), *damaged_files(SEEDS, seed=1), *hostile_files().values()]
        for at, data in enumerate(seeds):
            (folders[0] / f"seed-{at:04}").write_bytes(data)
    limits = ["-timeout=5", "-rss_limit_mb=2000", "-max_len=200000"]
    atheris.Setup([*arguments, *limits], decode)
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv)
