"""The plots beside RESULTS.md."""

from pathlib import Path
from statistics import median
from typing import Any

from bench.findings import Findings

PLOTS = Path(__file__).resolve().parent / "plots"
_PERCENTILES = (50.0, 75.0, 90.0, 95.0, 99.0, 99.5, 99.9)


def draw(findings: Findings) -> list[tuple[str, str]]:
    """Writes a picture of each series that the run has; returns file names with their titles."""
    import matplotlib as mpl  # noqa: PLC0415 - the tests of this package do without it

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "connect-gateway"
    from matplotlib import pyplot as plt  # noqa: PLC0415 - after the backend is chosen

    PLOTS.mkdir(exist_ok=True)
    made = []
    for name, title, plot in (
        ("connections.svg", "COLLECT a second by connections", _connections),
        ("latency.svg", "Latency of COLLECT by percentile", _latency),
        ("growth.svg", "COLLECT a second by transactions stored", _growth),
        ("memory.svg", "Memory of one gateway process", _memory),
    ):
        figure, axes = plt.subplots(figsize=(7.5, 4), layout="constrained")
        if plot(findings, axes):
            axes.set_title(title)
            axes.grid(visible=True, alpha=0.3)
            figure.savefig(PLOTS / name, metadata={"Date": None})
            made.append((name, title))
        plt.close(figure)
    return made


def _connections(findings: Findings, axes: Any) -> bool:
    for name, points in findings.connections.items():
        axes.plot(*zip(*points, strict=True), marker="o", label=name)
    axes.set(xscale="log", xlabel="connections (clients of pgbench)", ylabel="a second", ylim=(0, None))
    if findings.connections:
        axes.legend()
    return bool(findings.connections)


def _latency(findings: Findings, axes: Any) -> bool:
    from bench.rows_one import percentile  # noqa: PLC0415 - rows import what draws nothing

    for name, latencies in findings.steady_ms.items():
        values = [percentile(latencies, percent) for percent in _PERCENTILES]
        axes.plot([str(p) for p in _PERCENTILES], values, marker="o", label=f"at a steady rate: {name}")
    for name, by_percentile in findings.closed_ms.items():
        points = [(key.removeprefix("p"), value) for key, value in by_percentile.items() if key.startswith("p")]
        if points:
            labels = [str(float(percent)) for percent, _ in points]
            axes.plot(labels, [value for _, value in points], "--", marker=".", label=f"under full load: {name}")
    axes.set(yscale="log", xlabel="percentile", ylabel="ms")
    drawn = bool(findings.steady_ms or findings.closed_ms)
    if drawn:
        # Six curves fill the plot: whichever corner a legend took would hide one.
        axes.figure.legend(loc="outside lower center", ncols=2, fontsize="small")
    return drawn


def _growth(findings: Findings, axes: Any) -> bool:
    points = sorted(findings.growth)
    if points:
        axes.plot(*zip(*points, strict=True), "o", alpha=0.6)
        sizes = sorted({size for size, _ in points})
        axes.plot(sizes, [median(rate for one, rate in points if one == size) for size in sizes])
    axes.set(xlabel="transactions stored", ylabel="a second", ylim=(0, None))
    return bool(points)


def _memory(findings: Findings, axes: Any) -> bool:
    if findings.memory:
        axes.plot([seconds for seconds, _, _ in findings.memory], [mib for _, _, mib in findings.memory])
    axes.set(xlabel="seconds under full load", ylabel="resident MiB", ylim=(0, None))
    return bool(findings.memory)
