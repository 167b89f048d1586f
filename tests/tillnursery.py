"""Tills that die where they are told to: `python tests/tillnursery.py` forks one for each line of JSON that it reads.

A till that has its libraries already is born in a few milliseconds, and dies in earnest: `os._exit` in the middle of
whatever it does. It asks the test for weather (`{"ask": "cut"}`) and goes on after a line of answer.
"""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

import cryptography.hazmat.primitives.asymmetric.ed25519
from connect_simulators.patience import Patience
from connect_simulators.pos import crashpoints
from connect_simulators.pos.results import Outcome
from connect_simulators.pos.terminal import Terminal, TerminalConfig
from connect_simulators.wire import Credentials

import connect_printing.escpos

# What a till imports only once it prints is there before any is born.
_BORN_WITH = (connect_printing.escpos, cryptography)
_PATIENCE = Patience(timeout_s=20, first_wait_s=0.01, longest_wait_s=0.02, give_up_s=0.02)
_FLOAT = 100_000


async def sell(terminal: Terminal, parcels: list[dict[str, str]]) -> None:
    """A shift in which everything happens that a till has a record for."""
    again, refused, kept, prepaid, disputed = parcels
    await terminal.open_shift("ana", _FLOAT)
    await settled(terminal)
    sold = await terminal.do("COLLECT", again["reference"], again["label"], 50_000)
    assert sold.transaction_id is not None
    terminal.shown(sold.transaction_id)
    await terminal.do("COLLECT", refused["reference"], "9" * 18, 50_000)
    await terminal.void(sold.transaction_id, False)
    await terminal.void(sold.transaction_id, True)
    await terminal.do("COLLECT", again["reference"], again["label"], 50_000)
    ask("cut")
    # Not enough cash: no stand-in, so the till tries, gives up and is left with a reversal.
    await terminal.do("COLLECT", refused["reference"], refused["label"], 1)
    for parcel, tendered in ((kept, 50_000), (disputed, 50_000)):
        stood_in = await terminal.do("COLLECT", parcel["reference"], parcel["label"], tendered)
        assert stood_in.outcome is Outcome.STOOD_IN, stood_in
    voided = await terminal.do("CLAIM", prepaid["reference"], prepaid["label"])
    assert voided.transaction_id is not None
    assert voided.receipt is not None
    await terminal.reprint(voided.receipt.number)
    await terminal.void(voided.transaction_id, True)
    ask("mend")
    await settled(terminal)
    for conflict in terminal.conflicts:
        terminal.conflict_seen(conflict.transaction_id)
    terminal.recovered_seen()
    await recover(terminal, parcels)


async def recover(terminal: Terminal, _: list[dict[str, str]]) -> None:
    """What a till does by itself after a start, and the close of its shift; says what it found."""
    told = {notice.params["transactionId"] for notice in terminal.recovered}
    await settled(terminal)
    told |= {notice.params["transactionId"] for notice in terminal.recovered}
    kept = terminal.shift
    if kept is not None:
        await terminal.close_shift(kept.cash_expected)
        await settled(terminal)
    await terminal.printed()
    sales = [terminal.sale(each) for each in told]
    answer(
        told=sorted(told),
        codes=sorted(notice.code for notice in terminal.recovered),
        open=sorted(sale.transaction_id for sale in sales if sale is not None and sale.state == "OPEN"),
        closed=terminal.last_close,
    )


async def settled(terminal: Terminal) -> None:
    """Until nothing is open and everything is told; the manifest is there then, too."""
    await terminal.sync()
    while (status := terminal.status()).waiting or status.unsettled or status.closes_waiting:
        await terminal.sync()


def ask(what: str) -> None:
    answer(ask=what)
    sys.stdin.readline()


def answer(**fields: Any) -> None:
    sys.stdout.write(json.dumps(fields) + "\n")
    sys.stdout.flush()


def live(wish: dict[str, Any]) -> None:
    """The life of one till."""
    client = Credentials(wish["clientId"], wish["clientSecret"], wish["storeId"], wish["pos"])
    directory = Path(wish["dataDir"])
    config = TerminalConfig(
        wish["gateway"], client, directory / "till", printer=f"file:{directory / 'papers'}", patience=_PATIENCE,
        reversal_give_up_s=0.02, stand_in_after_s=0.02, probe_s=30.0,
    )  # fmt: skip

    async def at_work() -> None:
        async with Terminal(config) as terminal:
            await {"sell": sell, "recover": recover}[wish["do"]](terminal, wish["parcels"])

    crashpoints.arm(wish["crash"])
    asyncio.run(at_work())


def main() -> None:
    """Until the end of the input."""
    while line := sys.stdin.readline():
        child = os.fork()
        if child == 0:
            status = 1
            try:
                live(json.loads(line))
                status = 0
            finally:
                sys.stderr.flush()
                sys.excepthook(*sys.exc_info()) if status else None
                os._exit(status)
        _, ended = os.waitpid(child, 0)
        answer(ended=os.waitstatus_to_exitcode(ended))


if __name__ == "__main__":
    main()
