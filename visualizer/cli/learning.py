"""Commands that learn: sounds, pictures, and the vectors worth seeing."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from visualizer.cli import options
from visualizer.cli.group import INTERRUPTED
from visualizer.common.errors import UserError
from visualizer.common.files import check_writable

SHEET_FORMATS = (".png", ".jpg", ".jpeg", ".webp")


@click.command(short_help="Learn the sounds of your own music.")
@click.argument("songs", nargs=-1, required=True, type=options.MEDIA, metavar="SONG...")
@options.output("FILE.safetensors", "The codebook to write.")
@options.seed("Seed of the k-means.")
def fit(songs: tuple[str, ...], output: Path, seed: int) -> None:
    """Fit a codebook, the 100 names of sounds, on your own SONGs.

    Every song weighs alike, however long it is. Use the result with `visualizer render --codebook`
    or name it in a preset.

    \b
    Examples:
      visualizer fit *.mp3 -o my.safetensors
      visualizer render new.mp3 -o clip.mp4 --codebook my.safetensors
    """
    check_writable(output)

    from visualizer.audio import fitting

    codebook, report = fitting.fit(songs, seed)
    codebook.save(output)
    click.echo(f"{output}: {len(codebook)} clusters from {len(songs)} songs, {report}.")


@click.command(short_help="Train a generator on your own pictures.")
@click.argument("folders", nargs=-1, required=True, type=options.FILE, metavar="FOLDER...")
@options.output("FILE.safetensors", "The generator to write.")
@click.option(
    "--steps",
    type=click.IntRange(1),
    help="Stop after so many steps, not counting those of --from.  [default: until Ctrl-C]",
)
@click.option(
    "--minutes",
    type=click.FloatRange(0, min_open=True),
    help="Stop after so many minutes.  [default: until Ctrl-C]",
)
@click.option(
    "--batch-size",
    type=click.IntRange(6),
    help="Pictures a step, a multiple of 3.  [default: 18; with --poses 12, an even number]",
)
@options.seed("Seed of weights and order.")
@click.option("--resume", is_flag=True, help="Go on from the checkpoint beside the output.")
@click.option(
    "--from",
    "start",
    type=options.FILE,
    metavar="FILE",
    help='A generator (with --poses a figure) to start from; "shipped" is the one that comes along.',
)
@click.option("--poses", is_flag=True, help="Learn to draw the people in them, from their poses: a dancer.")
@options.compute()
def train(folders, output: Path, steps, minutes, batch_size, seed, resume, start, poses, compute) -> None:
    """Train a generator on the pictures in FOLDERs; each is drawn from equally often, one named twice
    twice as often.

    With --poses, people are found in them, and a figure learns to look like them in any pose, and of any
    matter: give it with --figure, and it dances in presets with [poses].

    A checkpoint is saved every minute and a preview sheet every four, beside the output. Ctrl-C saves
    and stops; --resume goes on. To play with the result, encode photos with it, name that bank in a
    preset, and give --generator to `live`, `play` or `render`.

    \b
    Examples:
      visualizer train photos/ -o mine.safetensors --minutes 480
      visualizer train photos/ -o mine.safetensors --minutes 60 --from shipped
      visualizer train photos/ -o mine.safetensors --resume
      visualizer encode photos/ -o photos.safetensors --generator mine.safetensors
      torchrun --nproc-per-node=2 -m visualizer train photos/ -o mine.safetensors
      visualizer train --poses me/ -o me.safetensors --minutes 480
    """
    if resume and start:
        raise UserError("--resume and --from both say where to start; give one of them.")

    from visualizer.common import assets
    from visualizer.learning.training import train as run
    from visualizer.neural.inference import choose_device

    if start == Path("shipped"):
        start = assets.model("figure.safetensors" if poses else "generator.safetensors")
    if poses:
        from visualizer.learning.figures.training import train as run_figure

        size, device = batch_size or 12, choose_device(compute)
        done = run_figure(list(folders), output, steps, minutes, size, seed, device, resume, start)
        click.echo(f"{output}: {done}.")
        return
    size, device = batch_size or 18, choose_device(compute)
    done = run(list(folders), output, steps, minutes, size, seed, device, resume, start)
    click.echo(f"{output}: {done}.")


@click.command(short_help="Find new vectors worth seeing.")
@options.output("FILE.safetensors", "The bank to write.")
@click.option(
    "--classes",
    metavar="NAMES",
    help="Comma-separated classes or groups, each dreamt equally often, e.g. 'goldfish, red fox, birds'.",
)
@click.option(
    "--all",
    "everything",
    is_flag=True,
    help="Each of the 1000 ImageNet classes in turn; so it is by default.",
)
@click.option(
    "--photos",
    type=options.FILE,
    multiple=True,
    metavar="FOLDER",
    help="Start from photos, of several folders equally often; without --classes or --all, each is climbed "
    "to what it shows.  [default: from neighbours of the shipped bank, and random codes]",
)
@click.option(
    "--again",
    type=options.FILE,
    metavar="BANK",
    help="Start from the vectors of an older bank, each to its own class and style: for a new generator.",
)
@click.option(
    "--random",
    "random_count",
    type=click.IntRange(1),
    metavar="N",
    help="Don't climb: draw N random vectors of an imported StyleGAN, and note what they show.",
)
@click.option(
    "--truncation",
    type=click.FloatRange(0, 1, min_open=True),
    default=0.7,
    help="How far random vectors stray from the average picture.",
)
@click.option("--count", type=click.IntRange(1), default=1000, help="Number of vectors.")
@click.option(
    "--style",
    type=click.Choice(["abstract", "balanced", "concrete"]),
    help="Only this style: class probability 0.15, 0.4 or 0.8.  [default: all, mixed 6:3:1]",
)
@click.option(
    "--stop-at",
    type=click.FloatRange(0.001, 0.999),
    metavar="P",
    help="Class probability at which a climb ends, instead of a style: low is abstract, high concrete.",
)
@click.option("--steps", type=click.IntRange(1), default=60, help="Most steps of one climb.")
@options.seed("Seed of starts and transforms.")
@click.option(
    "--resume", is_flag=True, help="Go on with what was begun, by the checkpoint beside the output."
)
@options.generator
@options.compute()
def dream(
    output: Path,
    classes,
    everything,
    photos,
    again,
    random_count,
    truncation,
    count,
    style,
    stop_at,
    steps,
    seed,
    resume,
    generator,
    compute,
) -> None:
    """Find vectors worth seeing by gradient ascent: climb until the classifier sees a class.

    Mud, twins and what the generator draws of anything are refused. A sheet of thumbnails grows beside
    the output. Ctrl-C keeps what is done, --resume goes on.

    \b
    Examples:
      visualizer dream -o zoo.safetensors --classes "goldfish, red foxes, birds" --count 30
      visualizer dream -o mine.safetensors --photos holiday/ --count 100 --style concrete
      visualizer dream -o bank.safetensors --all --seed 7
      visualizer dream -o new.safetensors --again old.safetensors --generator mine.safetensors
      visualizer dream -o faces.safetensors --random 300 --generator stylegan.safetensors
    """
    if random_count:
        if classes or everything or photos or again or style or stop_at is not None or resume:
            raise UserError(
                "--random doesn't climb; give it with --truncation, --seed and --generator alone."
            )
        return _draw_random(output, random_count, truncation, seed, generator, compute)
    if classes and everything:
        raise UserError("--classes and --all exclude each other; give one of them.")
    if again and (classes or everything or photos):
        raise UserError("--again says where to start and what of; leave out --classes, --all and --photos.")
    if style and stop_at is not None:
        raise UserError("--style and --stop-at both say where climbs end; give one of them.")
    check_writable(output)

    from visualizer.learning import dreaming
    from visualizer.neural.inference import choose_device

    wanted = dreaming.class_numbers(classes) if classes else range(1000) if everything else None
    order = {
        "classes": None if wanted is None else list(wanted),
        "photos": [str(folder) for folder in photos],
        "again": str(again) if again else None,
        "generator": str(generator) if generator else None,
        "count": count,
        "style": style,
        "stop_at": stop_at,
        "steps": steps,
        "seed": seed,
    }
    dreamer = dreaming.Dreamer(choose_device(compute), generator)
    kept, interrupted = dreamer.dream(
        output, dreamer.starts(wanted, photos, seed, again), count, stop_at, style, steps, seed, resume, order
    )
    bank = kept.bank()
    bank.save(output, {"seed": str(seed), "climbs": str(kept.climbs)})
    click.echo(f"{output}: {len(bank)} vectors of {bank.n_classes} classes, from {kept.report()}.")
    if interrupted:
        click.echo(f"stopped early at {len(bank)} of {count} vectors; --resume goes on.", err=True)
        sys.exit(INTERRUPTED)
    dreaming.checkpoint_path(output).unlink(missing_ok=True)


def _draw_random(
    output: Path, count: int, truncation: float, seed: int, generator: Path | None, compute: str
) -> None:
    check_writable(output)

    from visualizer.common import assets
    from visualizer.learning.encoding import describe_random
    from visualizer.neural.inference import choose_device

    bank, interrupted = describe_random(
        generator or assets.model("generator.safetensors"),
        count,
        truncation,
        seed,
        assets.model("classifier.safetensors"),
        assets.model("judge.safetensors"),
        choose_device(compute),
    )
    bank.save(output, {"seed": str(seed), "truncation": str(truncation)})
    click.echo(f"{output}: {len(bank)} random vectors, in which {len(set(bank.labels))} things are seen.")
    if interrupted:
        click.echo(f"stopped early at {len(bank)} of {count} vectors.", err=True)
        sys.exit(INTERRUPTED)


@click.command(short_help="Turn photos into vectors of a bank.")
@click.argument("photos", nargs=-1, required=True, type=options.FILE, metavar="PHOTO...")
@options.output("FILE.safetensors", "The bank to write.")
@options.generator
def encode(photos: tuple[Path, ...], output: Path, generator: Path | None) -> None:
    """Encode PHOTOs (files or folders) to a bank: what the generator remembers of each is its vector.

    Name the bank in a preset to play with your own pictures.

    \b
    Examples:
      visualizer encode holiday/*.jpg -o holiday.safetensors
      visualizer sheet holiday.safetensors -o holiday.png
    """
    check_writable(output)

    from visualizer.common import assets
    from visualizer.learning.encoding import encode_photos
    from visualizer.learning.photo import missing

    bank, skipped = encode_photos(
        photos,
        generator or assets.model("generator.safetensors"),
        assets.model("classifier.safetensors"),
        assets.model("judge.safetensors"),
    )
    bank.save(output)
    note = f"; {missing(skipped)}" if skipped else ""
    click.echo(f"{output}: {len(bank)} vectors{note}.")


@click.command(short_help="Draw a contact sheet of a bank, a generator or poses.")
@click.argument("file", type=options.FILE)
@options.output("SHEET.png", "The picture to write.")
@options.generator
@options.compute()
def sheet(file: Path, output: Path, generator: Path | None, compute: str) -> None:
    """Draw all vectors of a bank, with their labels, samples of a generator, or the skeletons of a bank of
    poses.

    \b
    Examples:
      visualizer sheet bank.safetensors -o bank.png
      visualizer sheet generator.safetensors -o generator.jpg
    """
    if output.suffix.lower() not in SHEET_FORMATS:
        raise UserError(f"{output}: a sheet is a picture; choose a path ending in .png or .jpg.")
    check_writable(output)

    from visualizer.learning import sheet as sheets
    from visualizer.neural.inference import choose_device

    picture = sheets.of_file(file, choose_device(compute), generator)
    picture.save(output)
    click.echo(f"{output}: {picture.width}x{picture.height}.")
