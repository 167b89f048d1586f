"""A run as one HTML page that needs nothing beside itself."""

from collections.abc import Iterable, Iterator
from html import escape

from connect_gateway.conformance.reports import summary
from connect_gateway.conformance.results import RuleResult, Run, ScenarioResult, StepResult

_CSS = """
:root { color-scheme: light dark; --line: #d5d9de; --soft: #f4f6f8; --good: #1a7f4b; --bad: #c1272d; --wait: #9a6700; }
@media (prefers-color-scheme: dark) {
  :root { --line: #3a4048; --soft: #22272e; --good: #56d08f; --bad: #ff7b72; --wait: #e3b341; }
}
body { font: 15px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; margin-bottom: .2rem; } h2 { font-size: 1.2rem; margin-top: 2.2rem; }
table { border-collapse: collapse; width: 100%; }
td, th { text-align: left; vertical-align: top; padding: .3rem .6rem; }
tr { border-bottom: 1px solid var(--line); } th { font-weight: 600; }
.big { display: flex; gap: 1rem; flex-wrap: wrap; margin: 1.2rem 0; }
.big div { border: 1px solid var(--line); border-radius: 8px; padding: .6rem 1.2rem; min-width: 7rem; }
.big b { display: block; font-size: 1.7rem; }
.passed { color: var(--good); } .failed { color: var(--bad); } .not-run { color: var(--wait); }
.mark { white-space: nowrap; font-weight: 600; } .rule { white-space: nowrap; font-variant-numeric: tabular-nums; }
details { border: 1px solid var(--line); border-radius: 8px; margin: .5rem 0; }
summary { cursor: pointer; padding: .45rem .8rem; } details > div { padding: .2rem .8rem .8rem; }
pre { background: var(--soft); padding: .6rem; overflow-x: auto; white-space: pre-wrap; word-break: break-word; }
pre { border-radius: 6px; margin: .4rem 0; font-size: .85rem; }
ol { margin: .3rem 0; padding-left: 1.6rem; } li { margin: .25rem 0; } .dim { opacity: .7; font-size: .88rem; }
a { color: inherit; }
"""


def page(run: Run) -> str:
    """The whole page."""
    outcome = "failed" if run.count("failed") else "not run" if run.count("not run") else "passed"
    words = {
        "passed": "It conforms: every scenario passed",
        "failed": "It does not conform",
        "not run": "Nothing failed, but not every scenario was run",
    }
    parts = [
        "<!doctype html>\n<html lang=en>\n<head><meta charset=utf-8>",
        "<meta name=viewport content='width=device-width, initial-scale=1'>",
        f"<title>Conformance of {escape(run.url)}</title><style>{_CSS}</style></head>\n<body>",
        f"<h1>Conformance of <code>{escape(run.url)}</code></h1>",
        f"<p class='mark {_class(outcome)}'>{words[outcome]}.</p>",
        f"<p class=dim>{escape(run.started)} · {escape(summary(run))}</p>",
        *_figures(run),
        "<h2>Rules</h2>",
        *_rules(run.rules),
        *_unjudged(run.unjudged),
        "<h2>Scenarios</h2>",
    ]
    for chapter, results in run.chapters():
        parts.append(f"<h3>{escape(chapter)}</h3>")
        parts += [_scenario(result) for result in results]
    return "\n".join([*parts, "</body></html>"]) + "\n"


def _class(outcome: str) -> str:
    return outcome.replace(" ", "-")


def _figures(run: Run) -> Iterator[str]:
    yield "<div class=big>"
    for outcome in ("passed", "failed", "not run"):
        count = sum(result.outcome == outcome for result in run.scenarios)
        yield f"<div class={_class(outcome)}><b>{count}</b>scenarios {outcome}</div>"
    kept = sum(rule.outcome == "passed" for rule in run.rules)
    yield f"<div><b>{kept} / {len(run.rules)}</b>rules kept</div></div>"


def _rules(rules: Iterable[RuleResult]) -> Iterator[str]:
    yield "<table><tr><th>rule<th>outcome<th>what it says<th>scenarios</tr>"
    for rule in rules:
        words = {"passed": "kept", "failed": "broken", "not run": "not judged"}[rule.outcome]
        where = rule.broken_in or rule.scenarios
        links = ", ".join(f"<a href='#{escape(name)}'>{escape(name)}</a>" for name in where[:3])
        more = f" and {len(where) - 3} more" if len(where) > 3 else ""
        yield (
            f"<tr><td class=rule>{rule.rule}<td class='mark {_class(rule.outcome)}'>{words}"
            f"<td>{escape(rule.text)}<td class=dim>{links or 'every answer'}{more}</tr>"
        )
    yield "</table>"


def _unjudged(rules: list[str]) -> Iterator[str]:
    if rules:
        yield f"<p class=dim>Rules that cannot be judged from outside a gateway: {', '.join(rules)}.</p>"


def _scenario(result: ScenarioResult) -> str:
    scenario = result.scenario
    opened = " open" if result.outcome == "failed" else ""
    body = f"<p>{escape(result.reason)}</p>" if result.reason else "".join(_steps(result.steps))
    return (
        f"<details id='{escape(scenario.name)}'{opened}><summary><span class='mark {_class(result.outcome)}'>"
        f"{result.outcome}</span> · <b>{escape(scenario.name)}</b> {escape(scenario.title)}"
        f" <span class=dim>{', '.join(sorted(scenario.cited))} · {result.seconds * 1000:.0f} ms</span></summary>"
        f"<div>{body}</div></details>"
    )


def _steps(steps: Iterable[StepResult]) -> Iterator[str]:
    yield "<ol>"
    for step in steps:
        rules = ", ".join(sorted({*step.rules, *step.broken}))
        outcome = "passed" if step.passed else "failed"
        yield (
            f"<li><span class={outcome}>{'✓' if step.passed else '✗'}</span> {escape(step.title)}"
            f" <span class=dim>{rules} · {step.ms:.0f} ms</span>"
        )
        if not step.passed:
            yield "<ul>" + "".join(f"<li class=failed>{escape(one)}</li>" for one in step.differences) + "</ul>"
            yield "".join(f"<pre>{escape(excerpt)}</pre>" for excerpt in (step.sent, step.answered) if excerpt)
        yield "</li>"
    yield "</ol>"
