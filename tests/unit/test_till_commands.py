"""The commands of `pos-sim` beside the sale itself: shift, stand-in, copies, a network printer. Seconds; loopback."""

import asyncio
import json
from pathlib import Path
from typing import Any

from connect_simulators.pos.cli import app
from connect_simulators.pos.printing import Printer, paper_of_lines
from connect_simulators.wire import system_clock
from countergateway import CounterGateway, gateway
from typer.testing import CliRunner

from connect_printing import escpos

__all__ = ["gateway"]


class Shell:
    """Runs `pos-sim` with one state directory; each run is a till of its own, as a process would be."""

    def __init__(self, url: str, directory: Path) -> None:
        credentials = directory / "credentials.json"
        client = {"clientId": "a", "clientSecret": "b", "storeId": "0166", "pos": "1"}
        credentials.write_text(json.dumps({"pos": client}))
        self.options = [
            "--json",
            "--url",
            url,
            "--credentials",
            str(credentials),
            "--state-dir",
            str(directory / "till"),
        ]
        self.options += ["--timeout-s=2", "--give-up-s=0.2", "--first-wait-s=0.01"]

    async def run(self, *words: str) -> tuple[int, Any]:
        result = await asyncio.to_thread(CliRunner().invoke, app, [*words, *self.options])
        return result.exit_code, json.loads(result.stdout.splitlines()[0]) if result.stdout else result.output


async def test_a_shift_by_commands_online_and_without_a_connection(gateway: CounterGateway, tmp_path: Path) -> None:
    first, second = gateway.shelve(), gateway.shelve()
    gateway.now = system_clock()
    shell = Shell(gateway.url, tmp_path)
    status, opened = await shell.run("open-shift", "--float", "500")
    assert (status, opened["shift"], opened["cashExpected"]) == (0, "1", "500.00")
    assert (await shell.run("open-shift"))[0] == 2
    status, known = await shell.run("stand-in", "refresh")
    assert (status, known["manifest"]["parcels"], known["waiting"]) == (0, 2, [])
    sale = ("--label", first.label, "--tendered", "200", "--printer", f"file:{tmp_path / 'papers'}")
    status, sold = await shell.run("collect", first.reference, *sale)
    assert (status, sold["outcome"]) == (0, "APPROVED")
    assert escpos.text((tmp_path / "papers" / f"{sold['receipt']['number']}.escpos").read_bytes())
    assert (await shell.run("receipt", sold["receipt"]["number"], "--copy"))[1]["receipt"]["copy"] == 1
    gateway.away = True
    status, stood_in = await shell.run("collect", second.reference, "--label", second.label, "--tendered", "200")
    assert (status, stood_in["outcome"], stood_in["standIn"]) == (0, "STOOD_IN", True)
    status, waiting = await shell.run("stand-in", "forward")
    assert (status, len(waiting["waiting"]), waiting["waitingAmount"]) == (3, 1, "200.00")
    status, closed = await shell.run("close-shift", "--counted", "900")
    assert (status, closed["code"]) == (3, "close-waiting")
    gateway.away = False
    assert await shell.run("resume") == (0, [])
    assert gateway.collections() == {first.reference: 1, second.reference: 1}
    assert [len(each["transactions"]) for each in gateway.closes] == [2]


async def test_a_network_printer_gets_the_receipt_and_no_control_byte_of_a_stranger() -> None:
    received: asyncio.Queue[bytes] = asyncio.Queue()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        received.put_nowait(await reader.read())
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()[:2]
    paper = paper_of_lines(["7-CONNECT", "Niño \x1b@\x1dV\x00 cuts the paper", "x" * 40], "9917-6789-0023")
    printer = Printer(f"tcp://{host}:{port}")
    await asyncio.to_thread(printer.print, paper, "receipt")
    text = escpos.text(await received.get())
    assert printer.error is None
    assert "Niño" in text
    assert "\x1b" not in text
    assert "[CODE128 991767890023]" in text
    assert max(len(line) for line in text.splitlines()) <= 32
    server.close()
    await server.wait_closed()
    await asyncio.to_thread(printer.print, paper, "receipt")
    assert printer.error is not None
