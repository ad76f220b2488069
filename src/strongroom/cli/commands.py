"""Commands that are imported when they are run, and the options that each of them takes.

A group knows its commands by name, place and one line; help and completion list them from
that, and only the command that is run is imported. The connection's options stand behind any
command, as with Vault's CLI, and before it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Final, TypeVar

import click

from strongroom.cli.session import FORMATS, Session

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, kw_only=True)
class Entry:
    """Where a command is, as `module:attribute`, and what it does in one line."""

    place: str
    summary: str
    section: str = "Commands"
    shown: bool = True


def shared_options() -> list[click.Option]:
    """Return the options of every command that speaks to the server."""
    return [
        _kept("--address", "The server's address; else STRONGROOM_ADDR or VAULT_ADDR.", "URL"),
        _kept("--ca-cert", "The authority of the server's certificate, in PEM.", "FILE"),
        _kept("--client-cert", "A certificate of ours, in PEM.", "FILE"),
        _kept("--client-key", "The key of that certificate.", "FILE"),
        _kept("--namespace", "The namespace to work in.", "PATH"),
        _kept("--wrap-ttl", "Wrap the answer, for this long.", "TTL"),
        _kept("--format", "How to print.", kind=click.Choice(FORMATS)),
    ]


def _kept(
    name: str, text: str, metavar: str | None = None, kind: click.ParamType[Any] | None = None
) -> click.Option:
    return click.Option(
        [name], help=text, metavar=metavar, type=kind, expose_value=False, callback=_keep
    )


def _keep(context: click.Context, option: click.Parameter, value: str | None) -> None:
    if value is not None and option.name is not None:
        context.ensure_object(Session).given[option.name] = value


class Command(click.Command):
    """A command with the options of the connection, listed apart from its own."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self._shared = shared_options()
        taken = {name for parameter in self.params for name in parameter.opts}
        self._shared = [option for option in self._shared if option.opts[0] not in taken]
        self.params = [*self.params, *self._shared]

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the words of the command, flags in Vault's spelling too."""
        return super().parse_args(ctx, with_plain_flags(self.params, args))

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the command's own options, then those that all have."""
        own = [
            p for p in self.get_params(ctx) if p not in self._shared and isinstance(p, click.Option)
        ]
        _write(ctx, formatter, "Options", own)
        _write(ctx, formatter, "Connection and output", list(self._shared))


class Offline(click.Command):
    """A command that needs no server; it only takes the format."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.params = [*self.params, *(o for o in shared_options() if o.name == "format")]

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the words of the command, flags in Vault's spelling too."""
        return super().parse_args(ctx, with_plain_flags(self.params, args))


def with_plain_flags(params: Sequence[click.Parameter], args: Sequence[str]) -> list[str]:
    """Return the words with `--flag=true` as `--flag`, `--flag=false` as `--no-flag` or nothing."""
    flags = {
        name: option.secondary_opts
        for option in params
        if isinstance(option, click.Option) and option.is_flag
        for name in option.opts
    }
    end = list(args).index("--") if "--" in args else len(args)
    words: list[str] = []
    for word in args[:end]:
        name, _, value = word.partition("=")
        if name not in flags or value not in {"true", "false"}:
            words.append(word)
        elif value == "true":
            words.append(name)
        else:
            words += flags[name][:1]
    return [*words, *args[end:]]


def _write(
    ctx: click.Context,
    formatter: click.HelpFormatter,
    title: str,
    parameters: list[click.Parameter] | list[click.Option],
) -> None:
    records = [record for p in parameters if (record := p.get_help_record(ctx)) is not None]
    if records:
        with formatter.section(title):
            formatter.write_dl(records)


class Group(click.Group):
    """A group whose commands are imported when they are run."""

    def __init__(self, *args: Any, entries: Mapping[str, Entry] | None = None, **more: Any) -> None:
        super().__init__(*args, **more)
        self.entries: Final = dict(entries or {})

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  click's
        """Return the names in the order in which they were given."""
        return [*self.entries, *(name for name in self.commands if name not in self.entries)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command, imported now if need be."""
        if (entry := self.entries.get(cmd_name)) is None:
            return super().get_command(ctx, cmd_name)
        module, _, attribute = entry.place.partition(":")
        found = getattr(import_module(module), attribute)
        assert isinstance(found, click.Command)
        return found

    def format_commands(
        self,
        ctx: click.Context,  # noqa: ARG002  click's
        formatter: click.HelpFormatter,
    ) -> None:
        """List the commands by section, importing none that is not here yet."""
        own = {
            name: Entry(place="", summary=command.get_short_help_str(70))
            for name, command in self.commands.items()
        }
        listed = {**self.entries, **own}
        width = max(map(len, listed), default=0)
        for section in dict.fromkeys(entry.section for entry in listed.values() if entry.shown):
            rows = [
                (name.ljust(width), entry.summary)
                for name, entry in listed.items()
                if entry.section == section and entry.shown
            ]
            with formatter.section(section):
                formatter.write_dl(rows)


def group(name: str, text: str) -> Group:
    """Return a group of commands of one module."""
    return Group(name, help=text, context_settings={"help_option_names": ["-h", "--help"]})


def command(name: str, **settings: Any) -> Callable[[Callable[..., Any]], click.Command]:
    """Declare a command that speaks to the server."""
    return click.command(name, cls=Command, context_settings=_HELP, **settings)


def offline(name: str, **settings: Any) -> Callable[[Callable[..., Any]], click.Command]:
    """Declare a command that needs no server."""
    return click.command(name, cls=Offline, context_settings=_HELP, **settings)


_HELP = {"help_option_names": ["-h", "--help"]}

field_option: Final = click.option("--field", metavar="NAME", help="Print this field alone.")
yes_option: Final = click.option("--yes", is_flag=True, help="Do not ask.")
in_session: Final = click.make_pass_decorator(Session, ensure=True)
