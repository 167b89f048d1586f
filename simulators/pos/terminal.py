"""One terminal of one store, ready for a clerk: till, journal, connection, stand-in, printer and practice in one.

Whoever shows a till (the pages, the screen in a terminal window) holds a `Terminal` and nothing else. In the background
it asks for the manifest, notices when the gateway is away and when it is back, settles what was left open, and
forwards what was sold meanwhile.
"""

import asyncio
import shutil
from collections import OrderedDict
from collections.abc import AsyncIterator, Coroutine
from types import TracebackType
from typing import Any, Self

from connect_printing.paper import Paper

from ..journal import Journal
from ..wire import Clock, system_clock
from . import drawer
from .assembly import assemble
from .background import Background
from .config import TerminalConfig, read_config
from .drawer import ShiftNotOpen
from .forwarding import Forwarder
from .offline import result_of_sale
from .printing import Printer, paper_of, paper_of_lines
from .recovery import Notice, Notices
from .results import Outcome, Result
from .sales import Sale, ShiftState
from .status import Status, limits_status, manifest_status
from .till import Reason, StillOpen, Till, TillSettings
from .training import TrainingGateway
from .waiting import Conflict

__all__ = ["Terminal", "TerminalConfig", "read_config"]

_PAPERS_KEPT = 200
_FLOAT_FOR_PRACTICE = 100_000


class Terminal:
    """The terminal of `config`, at work between `async with`; one process at a time has it (JournalInUse otherwise)."""

    def __init__(self, config: TerminalConfig, clock: Clock = system_clock) -> None:
        self.config = config
        self.printer = Printer(config.printer)
        self._clock = clock
        self._parts = assemble(
            config,
            self._settings(),
            clock=clock,
            watch=lambda _: self._tell("wire"),
            turned=self._link_turned,
            conflict=lambda: self._tell("conflict"),
        )
        self.wire = self._parts.wire
        self._real = self._parts.till
        self._notices = Notices(self._real.book)
        self._background = Background(self._parts, self._notices, self._tell, probe_s=config.probe_s)
        self._practice: tuple[Till, TrainingGateway] | None = None
        self._papers: OrderedDict[str, Paper] = OrderedDict()
        self._listeners: set[asyncio.Queue[str]] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._prints: set[asyncio.Task[None]] = set()
        self._printing = asyncio.Lock()

    async def __aenter__(self) -> Self:
        self._notices.take_stock()
        self._start(self._background.run())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._parts.close()
        if self._practice is not None:
            await self._practice[0].close()

    # What a clerk does

    async def lookup(self, reference: str) -> Result:
        """What a scanned code is; without a connection as far as the manifest knows."""
        return await self._till.lookup(reference)

    async def do(
        self,
        action: str,
        reference: str,
        label: str | None = None,
        tendered: int | None = None,
        *,
        transaction_id: str | None = None,
    ) -> Result:
        """Does what a lookup's `action` names; see `Till.perform`. Raises StillOpen, ShiftNotOpen."""
        if self.shift is None:
            raise ShiftNotOpen
        result = await self._till.perform(action, reference, label, tendered, transaction_id=transaction_id)
        self._done(result)
        return result

    async def void(self, transaction_id: str, parcel_in_hand: bool = True, reason: Reason = "CLERK_VOID") -> Result:
        """Undoes a transaction: REVERSED, REFUSED (it stands) or UNKNOWN (sent again for as long as it takes)."""
        result = await self._till.reverse(transaction_id, reason, parcel_in_hand=parcel_in_hand)
        self._done(result)
        return result

    async def inquire(self, transaction_id: str) -> Result:
        """What became of a transaction: the gateway's word, and the journal's where it gives none."""
        result = await self._till.inquire(transaction_id)
        sale = self.sale(transaction_id)
        if result.outcome is Outcome.UNKNOWN and sale is not None and sale.state != "OPEN":
            return result_of_sale(sale)
        return result

    async def reprint(self, number: str) -> Result:
        """Prints a receipt once more, marked as the copy that it is."""
        result = await self._till.copy(number)
        if result.receipt is not None:
            sale = self._sale_of(number)
            self._print(paper_of(result, sale.reference if sale else None), number)
        return result

    def shown(self, transaction_id: str) -> None:
        """The clerk has seen what became of it; what nobody saw comes up again after a crash."""
        if self.training:
            self._till.book.shown(transaction_id)
        else:
            self._notices.seen(transaction_id)

    def sales(self) -> list[Sale]:
        """This shift's transactions, the newest first."""
        shift = self.shift
        return [] if shift is None else self._till.book.sales.of_shift(shift.key)[::-1]

    def new_transaction_id(self) -> str:
        """For a sale whose id its caller has to know before the gateway does."""
        return self._till.book.new_transaction_id()

    def sale(self, transaction_id: str) -> Sale | None:
        """One transaction, of whichever shift."""
        return self._till.book.sales.get(transaction_id)

    def paper(self, number: str) -> Paper | None:
        """A paper that was printed, by its receipt's number; after a restart the journal's own."""
        if number in self._papers:
            return self._papers[number]
        sale = self._sale_of(number)
        return paper_of(result_of_sale(sale), sale.reference) if sale is not None else None

    # The shift and its drawer

    @property
    def shift(self) -> ShiftState | None:
        """The shift that is open; in training the one for practice."""
        return self._till.book.sales.shift

    async def open_shift(self, clerk: str, float_centavos: int) -> ShiftState:
        """Opens the next shift of today's business date; ShiftIsOpen where one is open already."""
        shift = drawer.open_shift(self._till.book, self._till.settings.pos, clerk, float_centavos, self._clock)
        self._tell("status")
        return shift

    async def close_shift(self, counted: int) -> Result:
        """Closes the shift and prints the closing paper; see `drawer.close_shift`. Raises StillOpen, ShiftNotOpen."""
        till, shift = self._till, self.shift
        if till.open_transactions:
            raise StillOpen(till.open_transactions[0])
        forwarder = Forwarder(self._practice[1], till.book) if self._practice is not None else self._parts.forwarder
        result = await drawer.close_shift(till.book, forwarder, counted, self.config.store_id, self._clock)
        if shift is not None:
            self._print(paper_of_lines(result.body["text"]), "close-" + "-".join(shift.key))
        self._background.wake()
        self._tell("status")
        return result

    @property
    def last_close(self) -> dict[str, Any] | None:
        """What the gateway answered to the last close that it was sent."""
        closed = self._till.book.sales.closed_with
        return None if closed is None else closed[1]

    # Practice

    @property
    def training(self) -> bool:
        """Whether nothing of what is done reaches the gateway."""
        return self._practice is not None

    def set_training(self, on: bool) -> None:
        """Practice begins with a fresh sheet of codes, a journal and a shift of its own, and leaves nothing behind."""
        if on is self.training:
            return
        directory = self.config.data_dir / "training"
        if self._practice is not None:
            self._start(self._practice[0].close())
            self._practice = None
        else:
            shutil.rmtree(directory, ignore_errors=True)
            gateway = TrainingGateway(self._clock)
            till = Till(gateway, Journal(directory), self._settings(), self._clock)
            clerk = self.shift.clerk if self.shift is not None else "trainee"
            drawer.open_shift(till.book, till.settings.pos, clerk, _FLOAT_FOR_PRACTICE, self._clock)
            self._practice = till, gateway
        self._tell("status")

    def training_parcels(self) -> list[dict[str, str]]:
        """The codes to practise with, and how they stand."""
        return self._practice[1].sheet() if self._practice is not None else TrainingGateway(self._clock).sheet()

    # How it stands

    def status(self) -> Status:
        """Everything that is shown beside the customer's business; of training, only that it is on, and its shift."""
        book = self._real.book
        now = self._clock()
        return Status(
            online=not self._parts.link.away,
            since=self._parts.link.since,
            manifest=manifest_status(self._parts.stand_in, now) if self.config.stand_in else None,
            limits=limits_status(self._parts.stand_in, book.queue) if self.config.stand_in else None,
            waiting=book.queue.count,
            waiting_amount=book.queue.total,
            closes_waiting=len(book.sales.closing),
            conflicts=self.conflicts,
            unsettled=self._real.open_transactions,
            training=self.training,
            shift=self.shift,
            printer=self.printer.target,
            printer_error=self.printer.error,
        )

    @property
    def manifest_problem(self) -> str | None:
        """The code of what was wrong with the manifest that came last; None where nothing was."""
        return self._parts.stand_in.store.problem

    @property
    def recovered(self) -> list[Notice]:
        """What the clerk is to be told of sales that were finished or undone without anybody looking."""
        return self._notices.all()

    def recovered_seen(self) -> None:
        """The clerk has read `recovered`; what is not settled yet stays in it."""
        self._notices.confirm()
        self._tell("status")

    @property
    def conflicts(self) -> list[Conflict]:
        """Stand-in sales that the gateway disputes or refuses, until a person has taken note of each."""
        return self._real.book.queue.conflicts()

    def conflict_seen(self, transaction_id: str) -> None:
        """A person has taken note of this one."""
        self._real.book.conflict_seen(transaction_id)
        self._tell("status")

    async def sync(self) -> None:
        """One round of what goes on in the background, now."""
        await self._background.sync()

    async def printed(self) -> None:
        """Until every paper so far has come out, or could not."""
        await asyncio.gather(*self._prints)

    async def events(self) -> AsyncIterator[str]:
        """`status`, `wire`, `recovered`, `conflict`, `settled`, each time that something of the kind has changed."""
        queue: asyncio.Queue[str] = asyncio.Queue()
        self._listeners.add(queue)
        try:
            while True:
                yield await queue.get()
        finally:
            self._listeners.discard(queue)

    # Inside

    @property
    def _till(self) -> Till:
        return self._real if self._practice is None else self._practice[0]

    def _settings(self) -> TillSettings:
        config = self.config
        return TillSettings(
            pos=config.client.pos or "1",
            patience=config.patience,
            reversal_give_up_s=config.reversal_give_up_s,
            stand_in_after_s=config.stand_in_after_s,
        )

    def _sale_of(self, number: str) -> Sale | None:
        return next((each for each in self._till.book.sales.all() if each.receipt_number == number), None)

    def _done(self, result: Result) -> None:
        if result.receipt is not None and result.outcome in {Outcome.APPROVED, Outcome.STOOD_IN, Outcome.REVERSED}:
            sale = self.sale(result.transaction_id or "")
            slip = "-reversal" if result.outcome is Outcome.REVERSED else ""
            self._print(paper_of(result, sale.reference if sale else None), result.receipt.number + slip)
        if result.outcome is Outcome.UNKNOWN and not self.training and result.transaction_id is not None:
            self._notices.add([result.transaction_id])
        if result.stand_in or result.outcome is Outcome.UNKNOWN:
            self._background.wake()
        self._tell("settled")

    def _print(self, paper: Paper, name: str) -> None:
        self._papers[name] = paper
        while len(self._papers) > _PAPERS_KEPT:
            self._papers.popitem(last=False)
        task = self._start(self._print_in_turn(paper, name))
        self._prints.add(task)
        task.add_done_callback(self._prints.discard)

    async def _print_in_turn(self, paper: Paper, name: str) -> None:
        # A printer that does not answer holds up the paper behind it, and never the counter.
        async with self._printing:
            before = self.printer.error
            await asyncio.to_thread(self.printer.print, paper, name)
            if self.printer.error != before:
                self._tell("status")

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _link_turned(self) -> None:
        self._background.wake(came_back=not self._parts.link.away)
        self._tell("status")

    def _tell(self, what: str) -> None:
        for listener in self._listeners:
            listener.put_nowait(what)
