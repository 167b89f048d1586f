"""What a run has found: rows against their targets, costs, and the series behind the plots."""

from dataclasses import dataclass, field
from statistics import median

from bench.meter import Costs


@dataclass(frozen=True)
class Target:
    """What the ratio of a row has to be."""

    bound: float
    at_least: bool = True

    def met_by(self, ratio: float) -> bool:
        return ratio >= self.bound if self.at_least else ratio <= self.bound

    def __str__(self) -> str:
        return f"{'≥' if self.at_least else '≤'} {self.bound:g} x"


@dataclass(frozen=True)
class Row:
    """A figure of ours held against another in each round. Without a target it is there to be known."""

    name: str
    figure: str
    against: str
    unit: str
    rounds: tuple[tuple[float, float], ...]
    """Ours and the other's, of each round."""
    target: Target | None = None
    note: str = ""

    @property
    def ours(self) -> float:
        return median(ours for ours, _ in self.rounds)

    @property
    def theirs(self) -> float:
        return median(theirs for _, theirs in self.rounds)

    @property
    def ratios(self) -> list[float]:
        return [ours / theirs for ours, theirs in self.rounds]

    @property
    def ratio(self) -> float:
        return median(self.ratios)

    @property
    def met(self) -> bool | None:
        """Whether the target was met; None where there is none."""
        return None if self.target is None else self.target.met_by(self.ratio)


@dataclass(frozen=True)
class Fact:
    """A figure that is measured against nothing."""

    name: str
    figure: str
    value: str
    note: str = ""


@dataclass(frozen=True)
class NotMeasured:
    """A row that could not be had here, and why."""

    name: str
    figure: str
    why: str


@dataclass(frozen=True)
class Failed:
    """A row whose measurement came to nothing: a side refused, broke or did not do what it answered."""

    name: str
    figure: str
    why: str


Line = Row | Fact | NotMeasured | Failed


@dataclass
class Findings:
    """Everything that a report is made of."""

    lines: list[Line] = field(default_factory=list)
    costs: dict[str, list[Costs]] = field(default_factory=dict)
    """By side of a measurement."""
    connections: dict[str, list[tuple[int, float]]] = field(default_factory=dict)
    """Answers a second by connections, for each side."""
    closed_ms: dict[str, dict[str, float]] = field(default_factory=dict)
    """Latencies under full load, by percentile, for each side."""
    steady_ms: dict[str, list[float]] = field(default_factory=dict)
    """Latencies at a steady rate, for each side."""
    growth: list[tuple[int, float]] = field(default_factory=list)
    """Transactions stored, and COLLECTs a second then."""
    memory: list[tuple[float, int, float]] = field(default_factory=list)
    """Seconds, requests answered, and MiB of the gateway's process."""

    @property
    def rows(self) -> list[Row]:
        return [line for line in self.lines if isinstance(line, Row)]

    def verdict(self) -> tuple[int, int, int]:
        """How many targets were met, how many measured, and how many rows could not be."""
        judged = [row.met for row in self.rows if row.met is not None]
        judged += [False for line in self.lines if isinstance(line, Failed)]
        missing = sum(isinstance(line, NotMeasured) for line in self.lines)
        return sum(judged), len(judged), missing
