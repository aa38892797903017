"""The verbs of a node beside a PACS: serve, worker and user."""

from __future__ import annotations

import argparse
import getpass
import sys
from pathlib import Path

from wetread.cli.options import AddVerb
from wetread.errors import ConfigError, InputError


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

    sub = add(
        user,
        "add a user of a node's pages, or give one another password",
        "alice --role admin --config wetread.toml",
        "bob --role reader --password-file bob.txt --config wetread.toml",
    )
    sub.add_argument("name", help="how the user logs in")
    sub.add_argument(
        "--role",
        choices=("reader", "admin", "system"),
        default="reader",
        help="reads, also looks after the node, or is a machine (reader)",
    )
    sub.add_argument(
        "--password-file", type=Path, metavar="FILE", help="its first line; without, you are asked"
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


def user(options: argparse.Namespace) -> None:
    """Add a user, or give one another password."""
    from wetread.node.config import read_config
    from wetread.node.parts import now
    from wetread.worklist.accounts import add_user, hashed, set_password
    from wetread.worklist.audit_trail import add_line
    from wetread.worklist.store import open_store

    config = read_config(options.config)
    password = _password(options.password_file)
    made = hashed(password)
    store = open_store(config.store_url)
    try:
        with store.write() as db:
            is_there = set_password(db, options.name, made)
            if not is_there:
                add_user(db, options.name, password, options.role, now())
            action = "new password" if is_there else "new user"
            add_line(db, "command line", action, f"user {options.name}", {}, now())
    finally:
        store.close()
    done = "has another password" if is_there else f"was added, role {options.role}"
    print(f"{options.name} {done}")


def _password(path: Path | None) -> str:
    if path is None:
        password = getpass.getpass("Password: ")
        if getpass.getpass("Again: ") != password:
            raise InputError("the two passwords differ")
        return password
    try:
        return next(iter(path.read_text("utf-8").splitlines()), "")
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
