"""Entry point: the list of commands, and the one map from errors to exit codes."""

from __future__ import annotations

import importlib
import inspect
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType

import typer
from typer._click.core import Context
from typer._click.exceptions import BadParameter, ClickException, MissingParameter, UsageError
from typer.core import TyperCommand, TyperOption

from mlopt_cli import output
from mlopt_engine.errors import (
    InvalidInputError,
    MissingPrerequisiteError,
    MloptError,
    RefusedError,
    TraceUnreadableError,
    UserError,
)

EXIT_CODES: dict[type[MloptError], int] = {
    RefusedError: 1,
    InvalidInputError: 2,
    MissingPrerequisiteError: 3,
    TraceUnreadableError: 4,
}
EXIT_INTERRUPTED = 130
# `record` and `run` return their child's code; when mlopt itself fails they must be told apart from it.
EXIT_WRAPPER_FAILED = 125
WRAPPERS = frozenset({"record", "run"})


@dataclass(frozen=True)
class Command:
    """One command: its name and what it is for; the code is ``mlopt_cli/commands/<name>.py:command``."""

    name: str
    summary: str

    @property
    def module(self) -> str:
        """Where the command lives."""
        return f"mlopt_cli.commands.{self.name.replace('-', '_')}"


COMMANDS: tuple[Command, ...] = (
    Command("config", "Show what a recipe with its layers sets, and who set it."),
    Command("demo", "Watch the whole loop on a real training job."),
    Command("doctor", "Say what works on this machine and what to do about the rest."),
    Command("emulate", "Show a directory as a slow storage."),
    Command("explain", "Say what a code, rule, action, setting or fact means."),
    Command("learn", "Find the recipe that fits a recorded job, and prove it on a held-out epoch."),
    Command("mount", "Show a source through a cache that follows a recipe."),
    Command("plugins", "List framework plugins, show what one brings, check one."),
    Command("probe", "Measure a storage, or what FUSE itself costs here."),
    Command("recipe", "Start, format and compare recipes."),
    Command("record", "Capture how a job reads its files."),
    Command("replay", "Do a recorded job's reads again, in real time."),
    Command("report", "Describe a trace: files, epochs, workers, waits."),
    Command("run", "Run a command with the mount laid over its data."),
    Command("schema", "Print the JSON Schema of a command's --json output."),
    Command("simulate", "Predict what recipes would make of a recorded job."),
    Command("status", "Show the mounts and what they did."),
    Command("test-rules", "Show which file gets which treatment, and why."),
    Command("umount", "End a mount."),
    Command("validate", "Check recipes without running anything."),
    Command("verify", "Predict, then measure, and print both."),
)

PATH = """\
  mlopt record -o run.duckdb --source DATA -- python train.py    capture how the job reads
  mlopt report run.duckdb                                        see what it does
  mlopt simulate run.duckdb                                      predict recipes and sizes
  mlopt learn run.duckdb -o tuned.yaml                           find a better recipe
  mlopt run --source DATA -r tuned.yaml -- python train.py       the job under it, unchanged
"""
WELCOME = f"""\
mlopt records how an ML job reads its files, predicts and learns cache recipes, mounts them.

{PATH}
'mlopt demo' shows all of it on a real job; 'mlopt --help' lists the commands.
"""
EPILOG = f"\b\nThe path:\n{PATH}"


class _OneValue(TyperCommand):
    """Refuses an option given twice where one value counts: the first would be ignored without a word."""

    def parse_args(self, ctx: Context, args: list[str]) -> list[str]:
        """Parse the words of the command."""
        _, _, order = self.make_parser(ctx).parse_args(args=list(args))
        single = (
            each for each in order if isinstance(each, TyperOption) and not (each.multiple or each.is_flag)
        )
        for option in single:
            if sum(each is option for each in order) > 1:
                name = max(option.opts, key=len)
                raise UsageError(f"{name} is given more than once, and takes one value", ctx)
        return super().parse_args(ctx, args)


def build_app(requested: str | None) -> typer.Typer:
    """Build the application, importing only the requested command.

    Parameters
    ----------
    requested : str or None
        The command on the command line; the others show their summary only, which keeps ``--help`` fast.

    Returns
    -------
    typer.Typer
        The application.
    """
    app = typer.Typer(
        name="mlopt",
        help="Record how an ML job reads its files, predict and learn cache recipes, mount them.",
        epilog=EPILOG,
        no_args_is_help=True,
        add_completion=True,
        # plain help: drawing boxes imports rich, which alone takes longer than --help may (0.3 s)
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )

    @app.callback(invoke_without_command=True)
    def options(
        version: bool = typer.Option(False, "--version", help="Print the version and exit."),
        debug: bool = typer.Option(False, "--debug", help="Show tracebacks of errors."),
    ) -> None:
        del debug  # read from the raw arguments by main(), which must also know it when parsing fails
        if version:
            sys.stdout.write(f"mlopt {output.VERSION}\n")
            raise typer.Exit

    for command in COMMANDS:
        function: Callable[..., object]
        if command.name == requested:
            module = importlib.import_module(command.module)
            if hasattr(module, "VERBS"):
                app.add_typer(_group(module), name=command.name, short_help=command.summary)
                continue
            function = module.command
            function.__doc__ = help_of(function)
            settings = {"ignore_unknown_options": False}
        else:
            function, settings = _placeholder, {}
        app.command(command.name, cls=_OneValue, short_help=command.summary, context_settings=settings)(
            function
        )
    return app


def _group(module: ModuleType) -> typer.Typer:
    """Build a noun with its verbs: a package under `commands` with a module per verb."""
    group = typer.Typer(
        help=help_of(module.command),
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    for verb, summary in module.VERBS.items():
        function = importlib.import_module(f"{module.__name__}.{verb}").command
        function.__doc__ = help_of(function)
        group.command(verb, cls=_OneValue, short_help=summary)(function)
    return group


def help_of(function: Callable[..., object]) -> str:
    """Take the part of a docstring that is for users: all before its first section for developers.

    Parameters
    ----------
    function : callable
        A command.

    Returns
    -------
    str
        The help.
    """
    text = inspect.cleandoc(function.__doc__ or "")
    return re.split(r"\n(?:Parameters|Returns|Raises|Notes)\n-+\n", text, maxsplit=1)[0].rstrip()


def _placeholder() -> None:
    """Stand in the list of commands; the real one is imported when it is asked for."""


def _usage_problem(error: ClickException, words: list[str]) -> UserError:
    """Say what is wrong with the words on the command line and which help to read."""
    context = error.ctx if isinstance(error, UsageError) else None
    path = context.command_path if context else "mlopt"
    if isinstance(error, BadParameter) and not isinstance(error, MissingParameter) and error.param:
        names = error.param.opts
        what = re.sub(r"^(Value error, |Input (?=should))", "", error.message.rstrip("."))
        return InvalidInputError(
            f"the value {what}" if what.startswith("should") else what,
            where=max(names, key=len),
            value=_given(names, words),
            do=f"See '{path} --help'",
            code="usage",
        )
    # the advice follows after ". ", so "Did you mean 'x'?" must not end the sentence a second time
    what = error.format_message().rstrip(".").replace(". Did you mean ", ", did you mean ").rstrip("?")
    return InvalidInputError(what, do=f"See '{path} --help'", code="usage")


def _given(names: list[str], words: list[str]) -> str | None:
    """Find the value that an option was given."""
    for word, after in zip(words, [*words[1:], None], strict=True):
        if word in names:
            return after
        name, equals, value = word.partition("=")
        if equals and name in names:
            return value
    return None


def exit_code(error: MloptError) -> int:
    """Find the exit code of an error.

    Parameters
    ----------
    error : MloptError
        What was raised.

    Returns
    -------
    int
        See the table of exit codes in the README.
    """
    return next((code for kind, code in EXIT_CODES.items() if isinstance(error, kind)), 1)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    arguments : list of str, optional
        Words after ``mlopt``; those of the process if omitted.

    Returns
    -------
    int
        The exit code.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    own_words = words[: words.index("--")] if "--" in words else words
    requested = next((word for word in own_words if not word.startswith("-")), None)
    if not words:
        sys.stdout.write(WELCOME)
        return 0
    try:
        result = build_app(requested)(words, standalone_mode=False, prog_name="mlopt")
    except (KeyboardInterrupt, typer.Abort):
        result = EXIT_INTERRUPTED
    except typer.Exit as stop:
        return stop.exit_code
    except MloptError as error:
        if "--debug" in own_words:
            raise
        problem = error if isinstance(error, UserError) else UserError(str(error), code="engine")
        output.print_error(requested or "", problem, as_json="--json" in own_words)
        return EXIT_WRAPPER_FAILED if requested in WRAPPERS else exit_code(error)
    except BrokenPipeError:
        sys.stderr.close()  # whoever read our output has gone, as `head` does: nothing is left to say
        return EXIT_WRAPPER_FAILED if requested in WRAPPERS else EXIT_CODES[RefusedError]
    except ClickException as error:
        output.print_error(requested or "", _usage_problem(error, own_words), as_json="--json" in own_words)
        return EXIT_WRAPPER_FAILED if requested in WRAPPERS else EXIT_CODES[InvalidInputError]
    except Exception as error:
        if "--debug" in own_words:
            raise
        problem = UserError(
            f"internal error: {type(error).__name__}: {error}",
            do="This is a fault of mlopt; run it again with --debug to see where",
            code="internal",
        )
        output.print_error(requested or "", problem, as_json="--json" in own_words)
        return EXIT_WRAPPER_FAILED if requested in WRAPPERS else EXIT_CODES[RefusedError]
    if result == EXIT_INTERRUPTED and requested not in WRAPPERS:  # the parser, too, turns Ctrl-C into this
        sys.stderr.write("interrupted\n")
    return result if isinstance(result, int) else 0


if __name__ == "__main__":
    sys.exit(main())
