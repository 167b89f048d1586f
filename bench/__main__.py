"""`python -m bench [--quick] [--only ROW ...]` measures; `python -m bench profile` says where the time goes."""

import argparse
import asyncio
import logging
import signal
import sys
import time
from collections.abc import Awaitable, Callable

from rich.console import Console

from bench import facts, plots, report, rows_conditions, rows_one, rows_throughput
from bench.drive import Bench
from bench.errors import BenchError
from bench.findings import Failed, Findings, Line
from bench.ground import open_ground
from bench.load import ensure_wrk
from bench.plan import FULL, QUICK, Plan
from bench.show import Show
from bench.sides import ensure_environment

ROWS: dict[str, Callable[[Bench], Awaitable[list[Line]]]] = {
    "collect": rows_throughput.collect,
    "lookup": rows_throughput.lookup,
    "steady": rows_one.steady,
    "growth": rows_conditions.growth,
    "ecms": rows_conditions.ecms,
    "overload": rows_conditions.overload,
    "memory": rows_one.memory,
    "processes": rows_conditions.processes,
    "receipt": rows_one.receipt,
    "ceilings": rows_one.ceilings,
}


async def run(plan: Plan, names: list[str], console: Console) -> Findings:
    """Measures the rows of these names. RESULTS.md is written only by a run of all of them."""
    show, findings = Show(console), Findings()
    with show.live(len(names)):
        async with open_ground(show) as ground:
            machine = facts.machine(ground)
            bench = Bench(ground, plan, show, findings)
            for done, name in enumerate(names):
                began = time.monotonic()
                lines = await _measured(name, bench)
                findings.lines += lines
                for line in lines:
                    show.say(report.plain(line))
                show.say(f"  [dim]{name}: {time.monotonic() - began:.0f} s[/dim]")
                show.done(done + 1)
    if set(names) == set(ROWS):
        report.write(findings, machine, plan.name, plots.draw(findings))
    return findings


async def _measured(name: str, bench: Bench) -> list[Line]:
    try:
        return await ROWS[name](bench)
    except BenchError as error:
        # The other rows are still worth having; this one counts as a target that was not met.
        return [Failed(name, f"The row `{name}`", str(error))]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("what", nargs="?", choices=("run", "profile"), default="run")
    parser.add_argument("--quick", action="store_true", help="under 5 minutes, at a small part of the sizes")
    parser.add_argument("--only", action="append", choices=tuple(ROWS), metavar="ROW", help=", ".join(ROWS))
    asked = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    # Like Ctrl-C: what was started is stopped, and what was reserved is given back.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    console = Console()
    plan = QUICK if asked.quick else FULL
    try:
        ensure_environment()
        ensure_wrk()
        if asked.what == "profile":
            from bench.profiling import profile  # noqa: PLC0415 - its sampler is needed for nothing else

            asyncio.run(profile(plan, console))
            return
        names = [name for name in ROWS if not asked.only or name in asked.only]
        findings = asyncio.run(run(plan, names, console))
    except BenchError as error:
        sys.exit(f"bench: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
    for row in report.failed(findings):
        console.print(report.plain(row), highlight=False)
    console.print(report.summary(findings), highlight=False)
    met, judged, _ = findings.verdict()
    sys.exit(0 if met == judged else 1)


if __name__ == "__main__":
    main()
