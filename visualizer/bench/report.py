"""The benchmark's result: rows of numbers, as a table, as JSON, and against an older one."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from visualizer.common.errors import UserError
from visualizer.common.files import unwritable

# Changes smaller than this part are noise.
NOISE = 0.05


@dataclass(frozen=True)
class Row:
    """One number. more_is_better: else less is. note: what to compare it with."""

    part: str
    name: str
    value: float
    unit: str
    more_is_better: bool = False
    note: str = ""

    @property
    def key(self) -> str:
        return f"{self.part}: {self.name}"


@dataclass
class Report:
    """All numbers of a run, the machine they were measured on, and what could not be measured and why."""

    machine: dict[str, str]
    rows: list[Row] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)
    limits: str = ""

    def table(self) -> str:
        """For people."""
        lines = [f"{name:>12}  {text}" for name, text in self.machine.items()]
        part = None
        for row in self.rows:
            if row.part != part:
                part = row.part
                lines += ["", part]
            lines.append(f"  {row.name:<44}{_number(row.value):>10} {row.unit:<14}{row.note}".rstrip())
        if self.limits:
            lines += ["", f"what limits a video: {self.limits}"]
        if self.left_out:
            lines += ["", "not measured", *(f"  {part}: {why}" for part, why in self.left_out.items())]
        return "\n".join(lines)

    def save(self, path: Path) -> None:
        """Write JSON. Raises UserError if the path can't be written."""
        try:
            path.write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="utf-8")
        except OSError as error:
            raise unwritable(path, error) from None

    @classmethod
    def load(cls, path: Path) -> Report:
        """Read what `save` wrote. Raises UserError if it isn't that."""
        try:
            raw = json.loads(path.read_text(encoding="utf-8"))
            return cls(raw["machine"], [Row(**row) for row in raw["rows"]], raw["left_out"], raw["limits"])
        except OSError as error:
            raise UserError(f"{path} can't be read ({error.strerror}); check the path.") from None
        except (ValueError, KeyError, TypeError):
            raise UserError(
                f"{path} was not written by `visualizer bench --json`; give one that was."
            ) from None

    def against(self, old: Report) -> str:
        """What moved since an older run, the largest change first."""
        before = {row.key: row for row in old.rows}
        changes = []
        for row in self.rows:
            then = before.get(row.key)
            if then is None or not then.value or not row.value:
                continue
            gain = row.value / then.value if row.more_is_better else then.value / row.value
            if abs(gain - 1) > NOISE:
                changes.append((gain, row, then))
        changes.sort(key=lambda change: -max(change[0], 1 / change[0]))
        lines = [
            f"  {'better' if gain > 1 else 'worse':<7}{max(gain, 1 / gain):6.2f} times  "
            f"{row.key}, {_number(then.value)} to {_number(row.value)} {row.unit}"
            for gain, row, then in changes
        ]
        if old.machine != self.machine:
            lines.insert(0, "  (the older run was on another machine or with other libraries)")
        return "\n".join(lines or [f"  nothing moved by more than {NOISE:.0%}"])


def _number(value: float) -> str:
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}" if value < 100 else f"{value:.0f}"
