"""The figures of a soak: from its log's lines to a table.

Each line is a JSON object: first the wishes ("begun"), then a sample every so many seconds ("at", from the
start of the show), in between what happened ("told"), and last why it ended ("end").
"""

import json

import numpy as np

# What is told of each sample, and how a table calls it.
MEMORIES = {
    "resident": "resident memory",
    "anonymous": "  of it its own",
    "allocated": "  of it allocated in C",
    "encoder": "the encoder's",
    "servers": "sound and display servers'",
}
COUNTS = {
    "threads": "threads",
    "files": "file descriptors",
    "gl": "OpenGL objects made",
    "streams": "PulseAudio's streams and clients",
    "blocks": "Python's memory blocks",
}


def read(path):
    """The log's lines, but for one that is cut off."""
    lines = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            lines.append(json.loads(line))
        except ValueError:
            continue
    return lines


def samples(lines, begin=0.0):
    return [line for line in lines if line.get("at", -1.0) >= begin]


def slope(when, much):
    """(a line's slope by least squares, its standard error), per unit of when; nan for less than three.

    Neighbours are alike, so that the residuals count as fewer than they are: by their correlation at lag 1.
    """
    when, much = np.asarray(when, float), np.asarray(much, float)
    n = len(when)
    if n < 3 or np.ptp(when) == 0:
        return float("nan"), float("nan")
    steepness, offset = np.polyfit(when, much, 1)
    rest = much - steepness * when - offset
    power = float(rest @ rest)
    alike = min(0.99, max(0.0, float(rest[1:] @ rest[:-1]) / power)) if power > 0 else 0.0
    effective = max(3.0, n * (1 - alike) / (1 + alike))
    error = np.sqrt(power / n * effective / (effective - 2) / effective / np.var(when))
    return float(steepness), float(error)


def spread(histograms, more=0.0):
    """(median, 99th percentile, most) in ms of all {milliseconds: how often}s; None of none."""
    counts = {}
    for histogram in histograms:
        for value, count in histogram.items():
            counts[float(value)] = counts.get(float(value), 0) + count
    if not counts:
        return None
    values = np.array(sorted(counts))
    upto = np.cumsum([counts[value] for value in values])
    ranks = np.searchsorted(upto, (0.5 * upto[-1], 0.99 * upto[-1]))
    median, p99 = values[ranks]
    return median + more, p99 + more, values[-1] + more


def words(found):
    return "none" if found is None else "median {:.1f}, 99 % within {:.1f}, longest {:.1f} ms".format(*found)


def frames(some):
    """(frames a second, late ones, their share) from the first sample to the last."""
    if len(some) < 2:
        return float("nan"), 0, float("nan")
    shown = some[-1]["frames"] - some[0]["frames"]
    late = some[-1]["late"] - some[0]["late"]
    return shown / max(1e-9, some[-1]["at"] - some[0]["at"]), late, late / max(1, shown)


def processor(some, name="processor"):
    """Seconds of the processor's a minute."""
    if len(some) < 2:
        return float("nan")
    return 60 * (some[-1][name] - some[0][name]) / max(1e-9, some[-1]["at"] - some[0]["at"])


def minute(some):
    """A line about the last samples."""
    last, (rate, late, _) = some[-1], frames(some)
    latency = spread(sample["latencies"] for sample in some[1:])
    latency = "no sound" if latency is None else "{:.0f} ms, 99 % {:.0f}".format(*latency)
    return (
        f"{last['at'] / 60:6.1f} min  {rate:5.1f} frames/s, {late} late; sound to screen {latency}; "
        f"{last['resident']:.0f} MB, {last['threads']} threads, {last['files']} files, "
        f"{last['errors']} errors"
    )


def table(lines):
    """[(name, text)] of all that the lines tell, however many there are."""
    wished = next((line["begun"] for line in lines if "begun" in line), {})
    warm_up = wished.get("warm_up", 0.0)
    told = [line for line in lines if "told" in line]
    end = next((line for line in reversed(lines) if "end" in line), {"end": "nobody tells: it was killed"})
    some = samples(lines, warm_up)
    rows = [("soak", wished.get("options", "")), ("ended", end["end"])]
    if len(some) < 2:
        return [*rows, ("measured", f"nothing: it ended within the warm-up of {warm_up:.0f} s"), *_told(told)]
    hours = [sample["at"] / 3600 for sample in some]
    half, sixth = len(some) // 2, max(2, len(some) // 6)
    rows.append(("measured", f"{some[-1]['at'] - some[0]['at']:.0f} s after {warm_up:.0f} s of warm-up"))
    for name in ("first_picture", "shut_down"):
        if name in end:
            rows.append((name.replace("_", " "), f"{end[name]:.2f} s"))
    for name, called in MEMORIES.items():
        much = [sample.get(name) for sample in some]
        if all(much):
            whole, later = (
                "{:+.1f} ± {:.1f}".format(*slope(hours[first:], much[first:])) for first in (0, half)
            )
            slopes = f"{whole} MB/h, in the second half {later}"
            rows.append((called, f"{much[0]:.0f} MB, then {much[-1]:.0f}: {slopes}"))
    for name, called in COUNTS.items():
        many = [sample[name] for sample in some if sample.get(name) is not None]
        if many:
            least, most = min(many), max(many)
            rows.append((called, f"{many[0]}, then {many[-1]}; {least} to {most}"))
    rows.append(("processor, the show", f"{processor(some):.1f} s a minute"))
    if any(sample["encoding"] for sample in some):
        rows.append(("processor, encoders", f"{processor(some, 'encoding'):.1f} s a minute"))
    rows.append(
        ("processor, all programs", f"{processor(some, 'busy'):.0f} s a minute of {60 * some[-1]['cores']}")
    )
    first, last = some[:sixth], some[-sixth:]
    for called, part in (("all", some), ("first sixth", first), ("last sixth", last)):
        rate, late, share = frames(part)
        rows.append((f"frames, {called}", f"{rate:.2f}/s, {late} late ({share:.2%})"))
    for called, name in (("frame interval", "intervals"), ("sound to screen", "latencies")):
        for where, part in (("all", some[1:]), ("first sixth", first[1:]), ("last sixth", last[1:])):
            rows.append((f"{called}, {where}", words(spread(sample[name] for sample in part))))
    rows.append(("  to its first effect", f"{1000 * some[-1]['head_start']:.1f} ms sooner"))
    for name in ("painting", "composing"):
        if end.get(name):
            rows.append((name, words([1000 * seconds for seconds in end[name]])))
    if end.get("callback"):
        rows.append(
            ("callback, share of its sound", "median {:.1%}, 99 % within {:.1%}".format(*end["callback"]))
        )
    for way, (spent, errors) in some[-1].get("ways", {}).items():
        rows.append((way, f"{spent / some[-1]['at']:.2%} of a core, {errors} errors"))
    rows.append(("events dropped, orders lost", f"{some[-1]['dropped']}, {some[-1].get('lost', 0)}"))
    rows.append(("errors", str(some[-1]["errors"])))
    return [*rows, *_told(told)]


def _told(told):
    """What happened: each kind once, with its count and its last time."""
    kinds = {}
    for line in told:
        count = kinds.get(line["told"], (0, 0.0))[0] + 1
        kinds[line["told"]] = count, line["when"]
    return [(f"{count} x, last at {when:.0f} s", what) for what, (count, when) in kinds.items()]


def show(rows):
    for name, text in rows:
        print(f"{name:<34}{text}", flush=True)


def errors(lines):
    """How many the show told of."""
    return max((sample["errors"] for sample in samples(lines)), default=0)
