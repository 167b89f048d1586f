"""The report as one page that needs nothing else: what was found, rule by rule, with a picture of each exercise."""

from collections.abc import Iterable
from html import escape

from connect_gateway.certification.figures import SPECIFIED
from connect_gateway.certification.picture import draw, letters
from connect_gateway.certification.playing import Result
from connect_gateway.certification.reports import REHEARSAL, Report, printable
from connect_gateway.certification.seen import Check
from connect_gateway.clock import PHILIPPINE_TIME

_STYLE = """
:root{--ink:#1d2430;--soft:#667085;--line:#d9dee7;--paper:#fff;--back:#f5f6f8;--good:#12734a;--bad:#b3261e;
  --wait:#9a6700;--sale:#1d4ed8;--ask:#7a3db8;--undo:#c2570c;--token:#7b8494}
@media(prefers-color-scheme:dark){:root{--ink:#e6e9ef;--soft:#98a2b3;--line:#3a4252;--paper:#1c212b;--back:#12161d;
  --good:#4cc38a;--bad:#ff7b72;--wait:#e3b341;--sale:#7aa2ff;--ask:#c79bff;--undo:#ffa657;--token:#98a2b3}}
*{box-sizing:border-box}
body{margin:0;background:var(--back);color:var(--ink);font:16px/1.5 system-ui,sans-serif}
main{max-width:62rem;margin:0 auto;padding:2rem 1.25rem 4rem}
h1{font-size:1.7rem;margin:0}
h2{font-size:1.15rem;margin:2.2rem 0 .6rem}
.stamp{display:inline-block;margin:.8rem 0;padding:.35rem .9rem;border:2px solid;border-radius:.4rem;font-weight:700}
.good{color:var(--good)}
.bad{color:var(--bad)}
.wait{color:var(--wait)}
.soft{color:var(--soft)}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.15rem 1.2rem;margin:.5rem 0}
dt{color:var(--soft)}
dd{margin:0;overflow-wrap:anywhere}
code{font:.9em ui-monospace,monospace}
details{background:var(--paper);border:1px solid var(--line);border-radius:.5rem;margin:.4rem 0}
summary{cursor:pointer;padding:.55rem .9rem;display:grid;grid-template-columns:1.2rem 13rem 1fr max-content;gap:.6rem}
summary b{font-weight:600}
details>div{padding:0 1rem 1rem;border-top:1px solid var(--line)}
ul{list-style:none;padding:0;margin:.8rem 0}
li{padding:.12rem 0 .12rem 1.5rem;text-indent:-1.5rem}
.rules{font:.8rem ui-monospace,monospace;color:var(--soft);margin-left:.5rem}
table{border-collapse:collapse;width:100%;background:var(--paper)}
td,th{border:1px solid var(--line);padding:.3rem .6rem;text-align:left;vertical-align:top}
a{color:inherit}
svg{width:100%;height:auto;margin-top:.5rem}
svg text{font:13px system-ui,sans-serif;fill:var(--ink);paint-order:stroke;stroke:var(--paper);stroke-width:4px}
svg .time{font:11px ui-monospace,monospace;fill:var(--soft)}
svg .place{text-anchor:middle;font-weight:700;letter-spacing:.08em}
svg .lane{stroke:var(--line);stroke-width:2}
svg .label{text-anchor:middle;font-size:12px}
svg .arrow{stroke:var(--token);stroke-width:1.6;fill:none}
svg .head{fill:var(--token)}
svg .cross{stroke:var(--bad);stroke-width:2}
svg .arrow.transaction{stroke:var(--sale)}
svg .head.transaction,svg .label.transaction{fill:var(--sale)}
svg .arrow.inquiry{stroke:var(--ask)}
svg .head.inquiry,svg .label.inquiry{fill:var(--ask)}
svg .arrow.reversal{stroke:var(--undo)}
svg .head.reversal,svg .label.reversal{fill:var(--undo)}
svg .arrow.lost,svg .arrow.fault{stroke:var(--bad);stroke-dasharray:5 4}
svg .head.fault,svg .label.lost,svg .label.fault{fill:var(--bad)}
svg text.fault{fill:var(--bad);font-size:12px;font-style:italic}
svg text.left{fill:var(--bad);text-anchor:end;font-size:12px}
svg .note.clerk{font-weight:600}
svg .note.end{font-weight:700;fill:var(--good)}
svg .note.network{font-style:italic;fill:var(--good)}
@media(max-width:40rem){summary{grid-template-columns:1.2rem 1fr}summary span{grid-column:2}}
"""


def as_page(report: Report) -> str:
    """The page as HTML."""
    failed = sum(not result.passed for result in report.results)
    chapters = "".join(
        f"<h2>{escape(chapter)}</h2>{''.join(map(_exercise, results))}" for chapter, results in report.by_chapter()
    )
    page = f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Certification of a till: {"passed" if report.passed else "failed"}</title><style>{_STYLE}</style></head>
<body><main><h1>Certification of a till</h1>
<p class="stamp {"good" if report.passed else "bad"}">{_stamp(report, failed)}</p>
{_facts(report)}{chapters}<h2>Rule by rule</h2>{_rules(report)}
</main></body></html>
"""
    return printable(page)


def _stamp(report: Report, failed: int) -> str:
    count = len(report.results)
    if failed:
        return f"NOT PASSED: {failed} of {count} exercises failed"
    return f"{'PASSED' if report.as_specified else 'REHEARSAL PASSED'}: {count} exercises"


def _facts(report: Report) -> str:
    figures, began_at = report.figures, report.began_at.astimezone(PHILIPPINE_TIME)
    shown = (
        f"{figures.timeout_s:g} s an attempt; waits from {figures.first_wait_s:g} s to {figures.longest_wait_s:g} s; "
        f"a sale is given up after {figures.give_up_s:g} s, a reversal waits {figures.reversal_s:g} s"
    )
    if not report.as_specified:
        shown += (
            f" ({REHEARSAL}: {SPECIFIED.timeout_s:g} s; {SPECIFIED.first_wait_s:g} to "
            f"{SPECIFIED.longest_wait_s:g} s; {SPECIFIED.give_up_s:g} s)"
        )
    facts = {
        "till": f"<code>{escape(' '.join(report.till))}</code>",
        "its figures": escape(shown),
        "gateway": f"connect-gateway {escape(report.version)}",
        "played": f"{began_at:%Y-%m-%d %H:%M} Philippine time, {report.seconds:.0f} s",
    }
    return f"<dl>{''.join(f'<dt>{name}</dt><dd>{value}</dd>' for name, value in facts.items())}</dl>"


def _exercise(result: Result) -> str:
    exercise = result.exercise
    mark = '<i class="good">✓</i>' if result.passed else '<i class="bad">✗</i>'
    return (
        f'<details id="{exercise.name}"{"" if result.passed else " open"}><summary>{mark}<b>{exercise.name}</b>'
        f'<span>{escape(exercise.title)}</span><span class="soft">{result.seconds:.1f} s</span></summary>'
        f"<div><ul>{''.join(map(_check, result.checks))}</ul>{_ids(result)}{draw(result.seen)}</div></details>"
    )


def _ids(result: Result) -> str:
    named = (f"{letter} is {escape(transaction_id)}" for transaction_id, letter in letters(result.seen).items())
    return f'<p class="rules">{"; ".join(named)}</p>'


def _check(check: Check) -> str:
    mark, tone = {True: ("✓", "good"), False: ("✗", "bad"), None: ("?", "wait")}[check.passed]
    found = f" – {escape(check.found)}" if check.found and check.passed is not True else ""
    rules = f'<span class="rules">{" ".join(check.rules)}</span>'
    return f'<li><span class="{tone}">{mark}</span> &nbsp;{escape(check.claim)}{found}{rules}</li>'


def _rules(report: Report) -> str:
    rows = []
    for rule, opinions in report.by_rule().items():
        failed = [result for result, check in opinions if check.passed is False]
        looked = len({result.exercise.name for result, check in opinions if check.passed is not None})
        verdict = f'<span class="bad">✗ {_links(failed)}</span>' if failed else '<span class="good">✓</span>'
        rows.append(f"<tr><td><code>{rule}</code></td><td>{verdict}</td><td>{looked} exercises</td></tr>")
    return f"<table><tr><th>rule</th><th>found</th><th>looked at in</th></tr>{''.join(rows)}</table>"


def _links(results: Iterable[Result]) -> str:
    names = dict.fromkeys(result.exercise.name for result in results)
    return ", ".join(f'<a href="#{name}">{name}</a>' for name in names)
