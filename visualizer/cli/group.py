"""The group of commands: listed by purpose, its errors one sentence and an exit code."""

from __future__ import annotations

import gc
import io
import logging
import os
import signal
import stat
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, NoReturn

import click

from visualizer.common.errors import UserError

INTERRUPTED = 130
# What service managers send, and terminals that are closed: to be heeded as Ctrl-C is.
ENDINGS = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
# Threads that nobody waits for at the end: they may be loading, compiling or painting.
BUSY = ("backstage", "painter")
log = logging.getLogger("visualizer")
log.addHandler(logging.NullHandler())  # without --log it says nothing


def explains_itself(error: click.ClickException) -> bool:
    """Whether a message says what is allowed, and not only that something is missing or unknown."""
    return isinstance(error, click.BadParameter) and not isinstance(error, click.MissingParameter)


def _end() -> None:
    """To be called when all is done and said: from here on Python ends quickly, and Ctrl-C changes nothing.

    Neither a late one does, nor an early one again: Python ends itself by the signal, whatever the exit code,
    if an interrupt passed through the text of an `exec`, as named tuples and data classes are made by, even
    if it was caught. Another text resets this.
    """
    for number in (signal.SIGINT, *ENDINGS):
        signal.signal(number, signal.SIG_IGN)
    exec("")
    gc.freeze()  # half a million objects would be gone through


def _leave(code: int) -> NoReturn:
    """Exit, at once if a thread is in the midst of a library's code: torn down under it, that would abort."""
    if any(thread.name in BUSY for thread in threading.enumerate()):
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


class Endings:
    """Makes of other endings what Ctrl-C is; the first only, so that what it leads to isn't disturbed.

    code: what to exit with, by convention 128 and the signal's number.
    """

    def __init__(self) -> None:
        self.code = INTERRUPTED
        for number in ENDINGS:
            # Whoever started the program may want one ignored, as nohup does.
            if signal.getsignal(number) == signal.SIG_DFL:
                signal.signal(number, self._end)

    def _end(self, number: int, frame: object) -> NoReturn:
        for ending in ENDINGS:
            signal.signal(ending, signal.SIG_IGN)
        self.code = 128 + number
        if number != signal.SIGTERM:
            self._leave_terminal()
        raise KeyboardInterrupt

    @staticmethod
    def _leave_terminal() -> None:
        """To write to a terminal that is gone is an error."""
        nowhere = os.open(os.devnull, os.O_RDWR)
        for file in (0, 1, 2):
            with suppress(OSError):
                if stat.S_ISCHR(os.fstat(file).st_mode):
                    os.dup2(nowhere, file)
        os.close(nowhere)


class Commands(click.Group):
    """Commands in sections; what a person did wrong ends in one sentence and exit code 2."""

    def __init__(self, *arguments: Any, **extra: Any):
        super().__init__(*arguments, **extra)
        self.sections: dict[str, list[str]] = {}

    def section(self, title: str, *commands: click.Command) -> None:
        """Add commands under a heading of the help page."""
        self.sections[title] = [command.name or "" for command in commands]
        for command in commands:
            self.add_command(command)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        width = max(len(name) for name in self.commands)
        for title, names in self.sections.items():
            with formatter.section(title):
                rows = [(name.ljust(width), self.commands[name].get_short_help_str(80)) for name in names]
                formatter.write_dl(rows)

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> NoReturn:
        """Run a command and exit, in whatever mode."""
        endings = Endings()
        for stream in (sys.stdout, sys.stderr):
            # Names of files, and our own words, may be in letters that a terminal doesn't know.
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="replace")
        try:
            code = super().main(args, prog_name, complete_var, standalone_mode=False, **extra)
        except click.exceptions.NoArgsIsHelpError as error:
            click.echo(error.format_message())
            code = 0
        except click.ClickException as error:
            context = error.ctx if isinstance(error, click.UsageError) else None
            where = f" {context.info_name}" if context is not None and context.parent else ""
            # click spreads a list of choices over lines.
            sentence = error.format_message().replace("\n\t", " ")
            if not explains_itself(error):
                stop = "" if sentence.endswith((".", "?")) else "."
                sentence += f"{stop} See `visualizer{where} --help`."
            code = self._fail(f"visualizer{where}: {sentence}")
        except UserError as error:
            code = self._fail(f"visualizer: {error}")
        except (KeyboardInterrupt, click.Abort):
            self._fail("visualizer: stopped.")
            code = endings.code
        except SystemExit as error:
            code = endings.code if error.code == INTERRUPTED else error.code
        except Exception as error:
            log.exception("a fault of the program's own, or a file that nobody thought of")
            if not isinstance(error, OSError) or not error.filename:
                raise
            code = self._fail(
                f"visualizer: {error.filename} can't be used ({error.strerror}); "
                f"check the path and its permissions."
            )
        finally:
            _end()
        _leave(code or 0)

    @staticmethod
    def _fail(sentence: str) -> int:
        log.error(sentence)
        click.echo(sentence, err=True)
        return 2
