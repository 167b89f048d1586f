"""The exercises: what the network does, what the clerk does meanwhile, and how it may end.

Whatever a till must do in every exercise is in `judging`. Here stands only how each one may end, as the ledger's
states of the transactions in the order in which the till first named them.
"""

from dataclasses import dataclass

from connect_gateway.certification.faults import (
    GOOD,
    Fault,
    Mishap,
    Network,
    crossed,
    empty,
    page,
    problem,
    redirect,
)
from connect_gateway.certification.jobs import Action, Becomes, Goods, Job, LateArrivals, Step, TimePasses
from connect_gateway.certification.traffic import Kind

APPROVED, DECLINED, REVERSED = "APPROVED", "DECLINED", "REVERSED"
LONG_RETRY_S = 3600
"""A `Retry-After` that no customer waits for."""

_RETRY_S = 2


@dataclass(frozen=True, slots=True)
class Exercise:
    """One story; `rules` are those of SPEC.md that it is about, beside those that every exercise looks at."""

    name: str
    title: str
    rules: tuple[str, ...]
    steps: tuple[Step, ...]
    endings: tuple[tuple[str, ...], ...]
    goods: Goods = Goods.COD
    network: Network = GOOD
    alone: bool = False
    """Whether no other exercise may be played beside it."""


_SELL = Job(Action.COLLECT)
_RESUME = Job(Action.RESUME)
_ONE_SALE = ((APPROVED,),)
_NO_SALE = ((REVERSED,),)


def _first(kind: Kind, *mishaps: Mishap) -> Network:
    return Network(first={kind: mishaps})


def _sale(*mishaps: Mishap) -> Network:
    return _first(Kind.TRANSACTION, *mishaps)


_CUT_OFF = Network(
    then={
        Kind.TRANSACTION: Fault.RESET_BEFORE,
        Kind.INQUIRY: Fault.RESET_BEFORE,
        Kind.REVERSAL: Fault.RESET_BEFORE,
    }
)
_SILENT = Network(then=dict.fromkeys(_CUT_OFF.then, Fault.KEEP_BACK))
_COMES_BACK = Becomes(GOOD, "the network is back")


_WHEN_NOTHING_FAILS = (
    Exercise(
        "plain-sale",
        "Nothing fails.",
        ("POS-7", "POS-21", "GEN-6"),
        (_SELL,),
        _ONE_SALE,
    ),
    Exercise(
        "wrong-label",
        "The clerk scans another parcel's label: a refusal is final, and the cash goes back.",
        ("POS-13", "POS-19"),
        (Job(Action.COLLECT, wrong_label=True),),
        ((DECLINED,),),
    ),
    Exercise(
        "too-little-cash",
        "A centavo is missing; with enough cash it is a new transaction with a new id.",
        ("POS-8", "POS-13", "POS-20"),
        (Job(Action.COLLECT, too_little_cash=True), _SELL),
        ((DECLINED, APPROVED),),
    ),
    Exercise(
        "void",
        "The clerk voids a sale: refused while the customer has the parcel, done once it is back.",
        ("POS-29", "POS-33"),
        (_SELL, Job(Action.REVERSE, parcel_in_hand=False), Job(Action.REVERSE)),
        _NO_SALE,
    ),
    Exercise(
        "newer-gateway",
        "The answers have fields of a later edition.",
        ("GEN-5",),
        (_SELL,),
        _ONE_SALE,
        network=Network(then=dict.fromkeys(Kind, Fault.NEWER)),
    ),
)

_WHEN_AN_ANSWER_IS_LOST = (
    Exercise(
        "answer-lost",
        "The sale is made; its first answer is lost.",
        ("POS-9", "TIL-3", "TIL-4"),
        (_SELL,),
        _ONE_SALE,
        network=_sale(Fault.RESET_AFTER),
    ),
    Exercise(
        "prepaid-answer-lost",
        "A prepaid parcel is claimed; the first answer is lost.",
        ("POS-9", "TIL-4"),
        (Job(Action.CLAIM),),
        _ONE_SALE,
        Goods.PREPAID,
        _sale(Fault.RESET_AFTER),
    ),
    Exercise(
        "return-answer-lost",
        "A return is accepted; the first answer is lost.",
        ("POS-9", "TIL-4"),
        (Job(Action.ACCEPT_RETURN),),
        _ONE_SALE,
        Goods.RETURN,
        _sale(Fault.RESET_AFTER),
    ),
    Exercise(
        "refusal-lost",
        "The sale is refused; the refusal is lost and comes again.",
        ("POS-13", "TIL-4"),
        (Job(Action.COLLECT, wrong_label=True),),
        ((DECLINED,),),
        network=_sale(Fault.RESET_AFTER),
    ),
    Exercise(
        "request-lost",
        "Two requests are lost on their way.",
        ("TIL-3", "TIL-4"),
        (_SELL,),
        _ONE_SALE,
        network=_sale(Fault.RESET_BEFORE, Fault.RESET_BEFORE),
    ),
    Exercise(
        "answer-late",
        "The first answer does not come within the time-out.",
        ("TIL-2", "TIL-4"),
        (_SELL,),
        _ONE_SALE,
        network=_sale(Fault.HOLD),
    ),
    Exercise(
        "answer-trickles",
        "The first answer comes one byte at a time and is not whole within the time-out.",
        ("TIL-2", "TIL-3"),
        (_SELL,),
        _ONE_SALE,
        network=_sale(Fault.TRICKLE),
    ),
    Exercise(
        "answer-cut",
        "Of the first answer one half comes.",
        ("TIL-3", "TIL-4"),
        (_SELL,),
        _ONE_SALE,
        network=_sale(Fault.CUT),
    ),
    Exercise(
        "answers-lost",
        "The sale is made, every answer is lost; the inquiry finds it.",
        ("TIL-5", "POS-23"),
        (_SELL,),
        _ONE_SALE,
        network=Network(then={Kind.TRANSACTION: Fault.RESET_AFTER}),
    ),
    Exercise(
        "void-answer-lost",
        "A sale is voided; the first answer is lost.",
        ("POS-28",),
        (_SELL, Job(Action.REVERSE)),
        _NO_SALE,
        network=_first(Kind.REVERSAL, Fault.RESET_AFTER),
    ),
)

_WHEN_SOMEBODY_ELSE_ANSWERS = (
    Exercise(
        "garbage",
        "A log-in page, a broken proxy, an empty object and another sale's approval come in the gateway's place.",
        ("TIL-3",),
        (_SELL,),
        _ONE_SALE,
        network=_sale(page(200), page(404), empty(201), crossed()),
    ),
    Exercise(
        "unavailable",
        "503, once after the sale was made and once before; it is no refusal.",
        ("TIL-3", "TIL-4"),
        (_SELL,),
        _ONE_SALE,
        network=_sale(
            problem(503, "outcome-unknown", retry_after_s=_RETRY_S, through=True), problem(503, "overloaded")
        ),
    ),
    Exercise(
        "busy",
        "429 with a `Retry-After` longer than the till's own wait.",
        ("TIL-3", "TIL-4"),
        (_SELL,),
        _ONE_SALE,
        network=_sale(problem(429, "too-many-attempts", retry_after_s=_RETRY_S)),
    ),
    Exercise(
        "locked-out",
        "429 with a `Retry-After` of an hour: nobody waits for that.",
        ("TIL-5", "TIL-6", "CER-6"),
        (_SELL,),
        _NO_SALE,
        network=Network(then={Kind.TRANSACTION: problem(429, "too-many-attempts", retry_after_s=LONG_RETRY_S)}),
    ),
    Exercise(
        "refused-after-unknown",
        "The sale is made, its answer lost; the repeat gets 403, which says nothing of the first.",
        ("TIL-5",),
        (_SELL,),
        _ONE_SALE,
        network=Network({Kind.TRANSACTION: (Fault.RESET_AFTER,)}, {Kind.TRANSACTION: problem(403, "wrong-role")}),
    ),
    Exercise(
        "redirect",
        "307 and 302 to another server.",
        ("TIL-3",),
        (_SELL,),
        _ONE_SALE,
        network=_sale(redirect(307), redirect(302)),
    ),
    Exercise(
        "token-revoked",
        "The token is revoked before the sale.",
        ("OAU-10", "TIL-3"),
        (_SELL,),
        _ONE_SALE,
        network=_sale(Fault.REVOKE),
    ),
    Exercise(
        "no-token",
        "The first requests for a token get no answer, then 503.",
        ("OAU-10", "TIL-3"),
        (_SELL,),
        _ONE_SALE,
        network=_first(Kind.TOKEN, Fault.RESET_BEFORE, problem(503, "overloaded")),
    ),
)

_WHEN_REQUESTS_GO_ASTRAY = (
    Exercise(
        "duplicated",
        "The network sends every request twice, so that the first answer is a replay.",
        ("POS-9",),
        (_SELL,),
        _ONE_SALE,
        network=Network(then={Kind.TRANSACTION: Fault.TWICE}),
    ),
    Exercise(
        "overtaken",
        "The repeat overtakes the first request.",
        ("POS-9", "TIL-2", "TIL-4"),
        (_SELL,),
        _ONE_SALE,
        network=_sale(Fault.OVERTAKE),
    ),
    Exercise(
        "late-arrival",
        "The first request is held up, its repeats are lost: the inquiry knows nothing. Then the first one arrives.",
        ("POS-12", "POS-26", "TIL-5", "TIL-6"),
        (_SELL, LateArrivals()),
        _NO_SALE,
        network=Network({Kind.TRANSACTION: (Fault.KEEP_BACK,)}, {Kind.TRANSACTION: Fault.RESET_BEFORE}),
    ),
    Exercise(
        "reversal-lost",
        "No sale gets through, a page answers the inquiry, and the reversal's answers are lost at first.",
        ("TIL-5", "TIL-6"),
        (_SELL,),
        _NO_SALE,
        network=Network(
            {Kind.REVERSAL: (Fault.RESET_AFTER, problem(503, "outcome-unknown", through=True), page(200))},
            {Kind.TRANSACTION: Fault.RESET_BEFORE, Kind.INQUIRY: page(200)},
        ),
    ),
    Exercise(
        "cut-off",
        "Nothing gets through. The clerk tries to sell again before it is settled, and sells once it is.",
        ("TIL-3", "TIL-6", "TIL-7"),
        (_SELL, _COMES_BACK, _SELL, _RESUME, _SELL),
        ((REVERSED, APPROVED), (REVERSED, APPROVED, DECLINED)),
        network=_CUT_OFF,
    ),
    Exercise(
        "silence",
        "Nothing gets through and nothing breaks: every attempt lasts until its time-out. Then all arrives at once.",
        ("TIL-2", "TIL-5", "TIL-6", "CER-5"),
        (_SELL, _COMES_BACK, LateArrivals(), _RESUME),
        _NO_SALE,
        network=_SILENT,
    ),
)

_WHEN_SOMETHING_DIES = (
    Exercise(
        "crash-after-sending",
        "The till is killed after it has sent the sale and before the answer, and starts again.",
        ("TIL-1", "TIL-4"),
        (Job(Action.COLLECT, killed_at=Kind.TRANSACTION), _RESUME),
        _ONE_SALE,
        network=_sale(Fault.HOLD),
    ),
    Exercise(
        "crash-long-ago",
        "The till is killed while its sale is on its way, and starts again when the customer has left.",
        ("TIL-5", "TIL-6"),
        (Job(Action.COLLECT, killed_at=Kind.TRANSACTION), TimePasses(), _RESUME, LateArrivals()),
        _NO_SALE,
        network=_sale(Fault.KEEP_BACK),
    ),
    Exercise(
        "crash-in-reversal",
        "The till is killed after it has sent a reversal and before the answer, and starts again.",
        ("TIL-1", "TIL-6"),
        (Job(Action.COLLECT, killed_at=Kind.REVERSAL), _RESUME),
        _NO_SALE,
        network=Network(
            {Kind.REVERSAL: (Fault.KEEP_BACK,)},
            {Kind.TRANSACTION: Fault.RESET_BEFORE, Kind.INQUIRY: Fault.RESET_BEFORE},
        ),
    ),
    Exercise(
        "gateway-restarts",
        "The gateway is killed after the sale was made and before its answer, and starts again.",
        ("TIL-3", "TIL-4"),
        (_SELL, LateArrivals("the gateway is back"), _RESUME),
        # How long it takes to start is the machine's affair: a sale that was given up meanwhile is reversed.
        (*_ONE_SALE, *_NO_SALE),
        network=_sale(Fault.RESTART),
        alone=True,
    ),
)

CHAPTERS: dict[str, tuple[Exercise, ...]] = {
    "When nothing fails": _WHEN_NOTHING_FAILS,
    "When an answer is lost": _WHEN_AN_ANSWER_IS_LOST,
    "When somebody else answers": _WHEN_SOMEBODY_ELSE_ANSWERS,
    "When requests go astray": _WHEN_REQUESTS_GO_ASTRAY,
    "When something dies": _WHEN_SOMETHING_DIES,
}
EXERCISES: dict[str, Exercise] = {each.name: each for chapter in CHAPTERS.values() for each in chapter}


def exercise_table() -> str:
    """The table of the exercises for `protocol/CERTIFICATION.md`."""
    lines = ["| exercise | what happens | rules |", "|---|---|---|"]
    for chapter, exercises in CHAPTERS.items():
        lines.append(f"| **{chapter}** | | |")
        lines += [f"| `{each.name}` | {each.title} | {', '.join(each.rules)} |" for each in exercises]
    return "\n".join(lines)
