"""The verbs of what a node keeps: purge and deidentify."""

from __future__ import annotations

import argparse
import re
import secrets
import shutil
from datetime import timedelta
from functools import partial
from pathlib import Path

from wetread.cli.node import add_config
from wetread.cli.options import AddVerb
from wetread.cli.progress import bar
from wetread.errors import ImageError, InputError
from wetread.files import replace_file

_UNITS = {"d": 1, "w": 7, "m": 30, "y": 365}


def add_verbs(add: AddVerb) -> None:
    """Add these verbs and their options."""
    sub = add(
        purge,
        "remove studies from a node whose last film came long ago",
        "--older-than 90d --config wetread.toml",
        "--older-than 1y --force --config wetread.toml",
    )
    sub.add_argument(
        "--older-than", required=True, type=_days, metavar="AGE", help="such as 90d, 12w, 6m or 2y"
    )
    sub.add_argument(
        "--force", action="store_true", help="also what is not scored or not delivered yet"
    )
    add_config(sub)
    sub = add(
        deidentify,
        "write de-identified copies of DICOM films (PS3.15 basic profile)",
        "films/*.dcm --out shared",
        "films/*.dcm --out shared --salt-file salt.bin",
    )
    sub.add_argument("films", nargs="+", type=Path, help="DICOM files")
    sub.add_argument("--out", required=True, type=Path, metavar="FOLDER", help="folder of copies")
    sub.add_argument(
        "--salt-file",
        type=Path,
        metavar="FILE",
        help="with the same, a patient has the same number again; without, it is new each time",
    )


def purge(options: argparse.Namespace) -> None:
    """Remove old studies: first from the store, then their files."""
    from wetread.node.config import read_config
    from wetread.node.parts import now, open_parts
    from wetread.worklist import retention
    from wetread.worklist.audit_trail import add_line

    parts = open_parts(read_config(options.config))
    try:
        before = now() - options.older_than.total_seconds()
        with parts.store.write() as db:
            found = retention.purge(db, before, force=options.force)
            detail = {"before": round(before), "studies": found.n_studies}
            add_line(db, "command line", "purge", "", detail, now())
        for name in found.films:
            (parts.films.folder / name).unlink(missing_ok=True)
        for digest in found.contents:
            shutil.rmtree(parts.results.folder / digest[:2] / digest, ignore_errors=True)
    finally:
        parts.close()
    films, people = len(found.films), found.n_patients
    print(f"{found.n_studies:,} studies, {films:,} films and {people:,} patients removed")


def deidentify(options: argparse.Namespace) -> None:
    """Write copies; a film that cannot be cleaned is named and left out."""
    from wetread.dicom.deidentified import deidentified

    try:
        salt = options.salt_file.read_bytes() if options.salt_file else secrets.token_bytes(32)
    except OSError as error:
        raise InputError(f"{options.salt_file}: cannot be read ({error.strerror})") from None
    refused = []
    with bar("films") as tick:
        for number, path in enumerate(options.films, 1):
            tick(number, len(options.films))
            try:
                data = deidentified(path.read_bytes(), salt)
            except (ImageError, OSError) as error:
                refused.append(f"{path}: {getattr(error, 'strerror', None) or error}")
                continue
            copy = options.out / f"film-{number:06d}.dcm"  # a file's name may be a patient's
            replace_file(copy, partial(Path.write_bytes, data=data))
    print(f"{len(options.films) - len(refused):,} films in {options.out}")
    if refused:
        more = f" and {len(refused) - 1} more" if len(refused) > 1 else ""
        raise InputError(f"left out: {refused[0]}{more}")


def _days(text: str) -> timedelta:
    if not (match := re.fullmatch(r"(\d{1,5})([dwmy])", text)):
        raise argparse.ArgumentTypeError(f"{text}: expected an age such as 90d, 12w, 6m or 2y")
    return timedelta(days=int(match[1]) * _UNITS[match[2]])
