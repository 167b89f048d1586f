"""The traffic of one exercise as a picture: till, network and gateway side by side, time downwards (inline SVG)."""

from dataclasses import dataclass, replace
from html import escape

from connect_gateway.certification.seen import Seen
from connect_gateway.certification.traffic import Ending, Exchange, Kind, Note

_TILL, _NETWORK, _GATEWAY, _WIDTH = 200, 480, 760, 960
_TOP, _ROW, _SLOPE = 56, 29, 7
# A second of waiting takes this much room, up to so much.
_PER_S, _MOST = 12.0, 44.0
_SOON_S = 0.2


@dataclass(frozen=True, slots=True)
class _Row:
    """One thing to draw: an arrow where `to` is another place than `at`, else a remark at one place."""

    at_s: float
    at: int
    to: int
    text: str
    style: str
    broken: bool = False
    aside: str = ""
    """What broke it."""


def draw(seen: Seen) -> str:
    """The picture as an `<svg>` element."""
    names = letters(seen)
    rows = [_of_note(note) for note in seen.traffic.notes]
    for exchange in seen.traffic.exchanges:
        rows += _of_exchange(exchange, names)
    rows.sort(key=lambda row: row.at_s)
    y, drawn, before_s = float(_TOP), [], 0.0
    for row in rows:
        y += _ROW + min((row.at_s - before_s) * _PER_S, _MOST)
        before_s = row.at_s
        drawn.append(_draw_row(row, y))
    height = y + 30
    title = escape(f"Traffic of the exercise {seen.exercise.name}")
    return (
        f'<svg viewBox="0 0 {_WIDTH} {height:.0f}" role="img" aria-label="{title}">'
        f"{''.join(_lane(x, name, height) for x, name in _LANES)}{''.join(drawn)}</svg>"
    )


def letters(seen: Seen) -> dict[str, str]:
    """The letter that stands for each transaction in the picture."""
    return {transaction_id: _letter(number) for number, transaction_id in enumerate(seen.traffic.ids())}


_LANES = ((_TILL, "TILL"), (_NETWORK, "NETWORK"), (_GATEWAY, "GATEWAY"))


def _of_note(note: Note) -> _Row:
    place = _NETWORK if note.weight == "network" else _TILL
    return _Row(note.at_s, place, place, note.text, f"note {note.weight}")


def _of_exchange(exchange: Exchange, names: dict[str, str]) -> list[_Row]:
    name = names.get(exchange.transaction_id or "", "")
    what = f"{exchange.kind.value} {name}".strip()
    if exchange.kind is Kind.OTHER:
        what = f"{exchange.method} {exchange.path}"
    style, passages = exchange.kind.value, exchange.passages
    at_once = bool(passages) and passages[0].sent_s - exchange.began_s < _SOON_S
    rows = [_Row(exchange.began_s, _TILL, _GATEWAY if at_once else _NETWORK, what, style, broken=not at_once)]
    for number, passed in enumerate(passages):
        if number or not at_once:
            rows.append(_Row(passed.sent_s, _NETWORK, _GATEWAY, what, style))
        last = number == len(passages) - 1
        if passed.answered_s is not None and not (last and _is_the_gateways(exchange)):
            status = "no answer" if passed.answer is None else str(passed.answer.status)
            rows.append(_Row(passed.answered_s, _GATEWAY, _NETWORK, status, "lost", broken=True))
    if exchange.fault:
        broken = next((position for position, row in enumerate(rows) if row.broken), None)
        if broken is None:
            rows.append(_Row(exchange.began_s, _NETWORK, _NETWORK, exchange.fault, "fault"))
        else:
            rows[broken] = replace(rows[broken], aside=exchange.fault)
    return rows + _end_of(exchange)


def _end_of(exchange: Exchange) -> list[_Row]:
    ended_s = exchange.end_s
    if exchange.told is not None:
        code = (exchange.told.body or {}).get("code") or (exchange.told.body or {}).get("state") or ""
        text = f"{exchange.told.status} {code}".strip()
        start = _GATEWAY if _is_the_gateways(exchange) else _NETWORK
        return [_Row(ended_s, start, _TILL, text, exchange.kind.value if start == _GATEWAY else "fault")]
    if exchange.ending is Ending.LEFT:
        return [_Row(ended_s, _TILL, _TILL, "the attempt is over", "left")]
    return []


def _is_the_gateways(exchange: Exchange) -> bool:
    """Whether what the till was told is what the gateway answered."""
    return exchange.told is not None and any(
        passed.answer is not None and passed.answer.status == exchange.told.status for passed in exchange.passages
    )


def _draw_row(row: _Row, y: float) -> str:
    time = f'<text class="time" x="8" y="{y + 4:.0f}">{row.at_s:.2f} s</text>'
    text = escape(row.text)
    if row.at == row.to:
        return time + _remark(row, y, text)
    forwards = row.to > row.at
    tip = row.to + (-4 if forwards else 4)
    stop = tip if not row.broken else row.to + (-16 if forwards else 16)
    line = f'<path class="arrow {row.style}" d="M{row.at} {y:.0f} L{stop} {y + _SLOPE:.0f}"/>'
    head = _cross(stop, y + _SLOPE) if row.broken else _head(tip, y + _SLOPE, row.style, forwards=forwards)
    middle = (row.at + min(max(row.to, _TILL), _GATEWAY)) / 2 if abs(row.to - row.at) < 300 else (_TILL + _NETWORK) / 2
    label = f'<text class="label {row.style}" x="{middle:.0f}" y="{y - 3:.0f}">{text}</text>'
    return time + line + head + label + _aside(row, y, forwards=forwards)


def _aside(row: _Row, y: float, *, forwards: bool) -> str:
    anchor, x = ("start", row.to + 8) if forwards else ("end", row.to - 8)
    text = f'<text class="fault" text-anchor="{anchor}" x="{x}" y="{y + _SLOPE + 4:.0f}">{escape(row.aside)}</text>'
    return text if row.aside else ""


def _remark(row: _Row, y: float, text: str) -> str:
    if row.style == "left":
        return f'<text class="left" x="{_TILL - 10}" y="{y + 4:.0f}">{text} ⊣</text>'
    anchor, x = ("start", 70) if row.at == _TILL else ("middle", row.at)
    return f'<text class="{row.style}" text-anchor="{anchor}" x="{x}" y="{y + 4:.0f}">{text}</text>'


def _head(x: float, y: float, style: str, *, forwards: bool) -> str:
    back = x - 8 if forwards else x + 8
    return f'<path class="head {style}" d="M{x} {y:.0f} L{back} {y - 4:.0f} L{back} {y + 4:.0f} Z"/>'


def _cross(x: float, y: float) -> str:
    return f'<path class="cross" d="M{x - 5} {y - 5:.0f} l10 10 M{x + 5} {y - 5:.0f} l-10 10"/>'


def _lane(x: int, name: str, height: float) -> str:
    return (
        f'<line class="lane" x1="{x}" y1="40" x2="{x}" y2="{height - 8:.0f}"/>'
        f'<text class="place" x="{x}" y="28">{name}</text>'
    )


def _letter(number: int) -> str:
    return chr(ord("A") + number) if number < 26 else str(number)
