"""Write the reference of the command line from the parser that prints `--help`.

python scripts/cli_reference.py docs/commands.md
"""

import argparse
import sys
from pathlib import Path

from wetread.cli import _parser

HEAD = """\
# Commands

<!-- Made by `python scripts/cli_reference.py docs/commands.md`; a test fails when it is stale. -->

{description}

Every verb ends with exit code 0, or with 2 and [one line on standard error](errors.md); Ctrl-C
gives 130. `wetread --version` prints the version, `wetread VERB --help` what stands here of a verb.
"""


def reference() -> str:
    """Return the page; it reads the parser's parts, as help text differs between Pythons."""
    parser = _parser()
    verbs = next(one for one in parser._actions if isinstance(one, argparse._SubParsersAction))
    pages = [HEAD.format(description=parser.description)]
    for name, verb in verbs.choices.items():
        arguments = [one for one in verb._actions if not isinstance(one, argparse._HelpAction)]
        usage = " ".join(["wetread", name, *map(in_usage, order(arguments))])
        rows = "\n".join(f"| `{in_table(one)}` | {about(one)} |" for one in order(arguments))
        examples = "\n".join(line.strip() for line in verb.epilog.splitlines()[1:])
        pages.append(
            f"## {name}\n\n{verb.description}\n\n```text\n{usage}\n```\n\n"
            f"| argument | meaning |\n|---|---|\n{rows}\n\nExamples:\n\n```sh\n{examples}\n```\n"
        )
    return "\n".join(pages)


def order(arguments: list[argparse.Action]) -> list[argparse.Action]:
    """Return what is given by its place, then options, the required ones first."""
    return sorted(arguments, key=lambda one: (bool(one.option_strings), not one.required))


def value_of(one: argparse.Action) -> str:
    if one.nargs == 0:
        return ""
    if one.choices:
        return "|".join(map(str, one.choices))
    return str(one.metavar or one.dest.upper())


def in_usage(one: argparse.Action) -> str:
    text = " ".join(filter(None, [*one.option_strings, value_of(one)]))
    text += " ..." if one.nargs == "+" else ""
    return text if one.required else f"[{text}]"


def in_table(one: argparse.Action) -> str:
    text = " ".join(filter(None, [*one.option_strings, value_of(one)]))
    return text.replace("|", "\\|")


def about(one: argparse.Action) -> str:
    text = (one.help or "").replace("%%", "%")
    return text + (" (required)" if one.option_strings and one.required else "")


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(reference(), encoding="utf-8")
