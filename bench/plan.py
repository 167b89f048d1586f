"""How long, how often and how large: the quick form and the full one."""

from dataclasses import dataclass

CONNECTIONS = 128
PGBENCH_CLIENTS = 32
POOL = 12
"""Connections to the database for each process of every side: the gateway's default."""

STEADY_RATE = 500
ECMS_DELAY_MS = 50
PEER_WORKERS = 2
WORKERS = 2
"""Processes of the gateway under full load, as many as its peers have; every other row has one."""


@dataclass(frozen=True)
class Plan:
    """Sizes of one run. `seconds` is one measurement; the first of a side has a warm-up of `warm_up_s` before it."""

    name: str
    rounds: int
    growth_rounds: int
    """Of the two sizes whose ratio has a target close to what it is."""
    overload_rounds: int
    """Of a p99, which a single second in which the machine was slow decides."""
    further_rounds: int
    """Of what has no target."""
    seconds: int
    warm_up_s: int
    references: int
    """Parcels in a fresh database: more than any side can collect in its rounds."""
    steady_s: int
    grown: tuple[tuple[int, int], ...]
    """References and transactions of the growth row, smallest first; first and last make the ratio."""
    memory_requests: tuple[int, int]
    sweep: tuple[int, ...]
    """Numbers of connections for the plot."""
    sweep_s: int
    receipts: int
    profile_s: int


QUICK = Plan(
    name="quick",
    rounds=2,
    growth_rounds=2,
    overload_rounds=1,
    further_rounds=1,
    seconds=2,
    warm_up_s=1,
    references=160_000,
    steady_s=3,
    grown=((100_000, 0), (300_000, 150_000)),
    memory_requests=(10_000, 40_000),
    sweep=(8,),
    sweep_s=1,
    receipts=20,
    profile_s=6,
)

FULL = Plan(
    name="full",
    rounds=5,
    growth_rounds=9,
    overload_rounds=7,
    further_rounds=3,
    seconds=10,
    warm_up_s=2,
    references=1_000_000,
    steady_s=60,
    grown=((100_000, 0), (1_000_000, 500_000), (10_000_000, 5_000_000)),
    memory_requests=(10_000, 1_000_000),
    sweep=(1, 8, 32, 256),
    sweep_s=4,
    receipts=200,
    profile_s=15,
)
