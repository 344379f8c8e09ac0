"""Commands that measure this machine, and that help the shell."""

from __future__ import annotations

from pathlib import Path

import click

from visualizer.cli import options
from visualizer.common.files import check_writable


@click.command(short_help="Measure how fast everything is here.")
@click.option("--json", "json_file", type=options.FILE, metavar="FILE", help="Write the numbers here too.")
@click.option(
    "--compare",
    type=options.FILE,
    metavar="OLD.json",
    help="Tell what moved since an older run.",
)
@click.option(
    "--seconds", type=click.FloatRange(0.1, 60), default=1.0, help="About how long each comparison takes."
)
@options.generator
@options.compute()
def bench(
    json_file: Path | None, compare: Path | None, seconds: float, generator: Path | None, compute: str
) -> None:
    """Measure how fast everything is on this machine: worth a minute before a show.

    Whatever is compared is measured in turns within the same run. Close other programs first. Of an imported
    StyleGAN only the painting is measured, beside the plain network.

    \b
    Examples:
      visualizer bench
      visualizer bench --json today.json
      visualizer bench --compare today.json
      visualizer bench --generator stylegan.safetensors
    """
    from visualizer.bench.report import Report

    old = Report.load(compare) if compare else None
    if json_file:
        check_writable(json_file)

    from visualizer.bench.run import run
    from visualizer.neural.inference import choose_device

    report = run(choose_device(compute), seconds, generator)
    if json_file:
        report.save(json_file)
    click.echo(report.table())
    if old is not None:
        click.echo(f"\nsince {compare}")
        click.echo(report.against(old))


@click.command(short_help="Print what completes commands with the Tab key.")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print a script that lets SHELL complete commands and options.

    \b
    Examples:
      visualizer completion bash >> ~/.bashrc
      visualizer completion zsh >> ~/.zshrc
      visualizer completion fish > ~/.config/fish/completions/visualizer.fish
    """
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    assert kind is not None
    group = context.find_root().command
    try:
        click.echo(kind(group, {}, "visualizer", "_VISUALIZER_COMPLETE").source())
    except RuntimeError as error:  # click looks at the version of bash
        raise click.ClickException(str(error)) from None
