"""The command line. Each command lives in a module of its own, imported when it is called, so that `edgecache --help` is quick."""

from __future__ import annotations

import importlib

import click

from edgecache import __version__

# command · where it is · what it does, in a line for `edgecache --help`
COMMANDS = (
    ("run", "edgecache.cli.run:run", "Put a caching edge in front of an origin."),
    ("demo", "edgecache.cli.demo:demo", "Try it: an origin with interesting pages, and the edge in front of it."),
    ("purge", "edgecache.cli.purge:purge", "Invalidate URLs, tags, prefixes, hosts, … or everything, in a running edge."),
    ("ban", "edgecache.cli.ban:ban", "Invalidate what an expression is true of, in a running edge."),
    ("stats", "edgecache.cli.stats:stats", "Show the counters of a running edge."),
    ("clock", "edgecache.cli.clock:clock", "Show or move the time of a running edge."),
    ("faults", "edgecache.cli.faults:faults", "Let the purge APIs of vendors misbehave in a running edge."),
    ("config", "edgecache.cli.config:config", "Check a configuration file."),
)

EPILOG = """\b
Examples:
  edgecache demo
  edgecache run http://localhost:3000
  curl -so /dev/null -D- http://127.0.0.1:8080/    # twice: Cache-Status says fwd=…, then hit
  edgecache purge http://127.0.0.1:8080/

`edgecache COMMAND --help` explains each command with an example."""


class LazyGroup(click.Group):
    """A group that knows its commands by name and imports one only when it is needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, in the order of the table."""
        return [name for name, _, _ in COMMANDS]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, imported now; None when there is none."""
        for name, where, _ in COMMANDS:
            if name == cmd_name:
                module, _, attribute = where.partition(":")
                command = getattr(importlib.import_module(module), attribute)
                assert isinstance(command, click.Command)
                return command
        return None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of commands from the table: asking each for its help would import them all."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, help_line) for name, _, help_line in COMMANDS])


@click.group(cls=LazyGroup, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, "-V", "--version", prog_name="edgecache", message="%(prog)s %(version)s")
def main() -> None:
    """A CDN edge on your own machine: a caching reverse proxy that behaves like a real one and says why.

    Exit codes: 0, 1 with a sentence on stderr, 2 when the command line itself is wrong.
    """
