"""The verbs of a node beside a PACS: serve and worker."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from wetread.cli.options import AddVerb
from wetread.errors import ConfigError


def add_verbs(add: AddVerb) -> None:
    """Add these verbs and their options."""
    sub = add(
        serve,
        "receive films from a PACS, score them, send first reads back",
        "--init > wetread.toml",
        "--config wetread.toml",
    )
    add_config(sub)
    sub.add_argument(
        "--init", action="store_true", help="print a configuration with every setting and its use"
    )
    sub = add(
        worker,
        "score a node's films in another process, on the same PostgreSQL and folders",
        "--config wetread.toml",
    )
    add_config(sub)


def add_config(sub: argparse.ArgumentParser) -> None:
    """Add `--config`."""
    sub.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="wetread.toml; without, the defaults and WETREAD_SECTION__SETTING of the environment",
    )


def serve(options: argparse.Namespace) -> None:
    """Run a node, or print a configuration to begin with."""
    from wetread.node.config import commented_config, read_config

    if options.init:
        sys.stdout.write(commented_config())
        return
    config = read_config(options.config)
    from wetread import service
    from wetread.node.logs import start_logs

    start_logs()
    service.serve(config)


def worker(options: argparse.Namespace) -> None:
    """Run a worker alone."""
    from wetread import service
    from wetread.node.config import read_config
    from wetread.node.logs import start_logs

    config = read_config(options.config)
    if not config.node.store.startswith("postgresql"):
        said = "SQLite's file" if not config.node.store else config.node.store.split(":")[0]
        raise ConfigError(f"node.store: {said}; a worker of its own needs postgresql://...")
    start_logs()
    service.work(config)
