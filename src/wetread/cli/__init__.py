"""The command line: verbs only, each a few lines over the functions that do the work."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence

from wetread import __version__
from wetread.cli import (
    audit,
    comparison,
    evaluation,
    explanation,
    films,
    localization,
    node,
    screening,
    training,
    triage,
    upkeep,
)
from wetread.cli.options import NOTICE
from wetread.errors import WetreadError
from wetread.memory import keep_freed_memory


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb; 0 when it succeeded, 2 for an error that a line on standard error explains."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # TensorFlow greets on standard error
    parsed = _parser().parse_args(arguments)
    keep_freed_memory()
    try:
        parsed.verb(parsed)
    except WetreadError as error:
        # A file name in it need not be UTF-8.
        line = str(error).encode("utf-8", "backslashreplace").decode("utf-8")
        print(f"wetread: error: {line}", file=sys.stderr)
        return error.exit_code
    except ModuleNotFoundError as error:
        extra = _EXTRAS.get((error.name or "").split(".")[0], "train")
        print(
            f"wetread: error: {error.name} is not installed; this needs the extra `{extra}`: "
            f"pip install 'wetread[{extra}]'",
            file=sys.stderr,
        )
        return 2
    except KeyboardInterrupt:
        print("wetread: interrupted", file=sys.stderr)
        return 130
    return 0


_EXTRAS = dict.fromkeys(
    (
        *("alembic", "annotated_types", "argon2", "dicomanonymizer", "fastapi", "highdicom", "hl7"),
        *("pg8000", "prometheus_client", "pydantic", "pydantic_settings", "pynetdicom"),
        *("pythonjsonlogger", "requests", "sqlalchemy", "uvicorn"),
    ),
    "serve",
) | {"mlflow": "mlflow"}
"""Which extra brings a package; any other comes with `train`."""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="wetread",
        description=f"A first read of every chest X-ray. {NOTICE}",
        epilog="`wetread VERB --help` shows the options and examples of a verb.",
    )
    parser.add_argument("--version", action="version", version=f"wetread {__version__}")
    verbs = parser.add_subparsers(required=True, metavar="VERB")

    def add(
        verb: Callable[[argparse.Namespace], None], about: str, *examples: str
    ) -> argparse.ArgumentParser:
        lines = "\n".join(f"  wetread {verb.__name__} {example}" for example in examples)
        sub = verbs.add_parser(
            verb.__name__,
            help=about,
            description=about[0].upper() + about[1:] + ".",
            epilog=f"examples:\n{lines}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        sub.set_defaults(verb=verb)
        return sub

    trained = (films, training, evaluation, comparison, localization, audit, triage)
    for module in (*trained, screening, explanation, node, upkeep):
        module.add_verbs(add)
    return parser
