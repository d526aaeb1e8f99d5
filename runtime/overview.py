"""The mount's page for people: what it did, its rules, its latest decisions. No script, nothing fetched."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Iterator
from html import escape
from typing import Any

#: Decisions that are shown; /ml/history has all that are kept.
SHOWN = 50
STYLE = """\
:root{color-scheme:light dark;--line:#8886;--soft:#8882}
body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:72rem;padding:0 1rem}
h1{font-size:1.4rem;margin:0}h2{font-size:1.1rem;margin:2rem 0 .5rem}
p{margin:.3rem 0}h1 code{font-size:inherit}code{font:13px ui-monospace,monospace;overflow-wrap:anywhere}
dl{display:flex;flex-wrap:wrap;gap:.8rem;margin:1.2rem 0}
dl div{border:1px solid var(--line);border-radius:.4rem;padding:.5rem .9rem}
dt{font-size:.85rem}dd{margin:0;font-size:1.3rem;font-variant-numeric:tabular-nums}
.wide{overflow-x:auto}table{border-collapse:collapse;width:100%}
th,td{border-bottom:1px solid var(--line);padding:.35rem .6rem;text-align:left;vertical-align:top}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
tbody th{font-weight:400}thead th{background:var(--soft)}input{font:inherit;width:22rem;max-width:100%}
"""
#: The page's own style by its hash, its form, and nothing else.
POLICY = (
    "default-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'; style-src "
    f"'sha256-{base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()}'"
)
_IN_MEMORY = ("resident", "prefetched")
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


def page(head: dict[str, str], stats: dict[str, Any], rules: dict[str, Any], decisions: Any) -> str:
    """Write the page.

    Parameters
    ----------
    head : dict of str
        ``source`` and ``mountpoint``.
    stats : dict
        The mount's counters.
    rules : dict
        The rules in force, as ``/ml/rules`` has them.
    decisions : dict or None
        The trace of decisions, as ``/ml/history`` has it.

    Returns
    -------
    str
        HTML; every text from outside is escaped.
    """
    parts = [
        '<!doctype html><html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width">',
        f"<title>mlopt: {escape(head['mountpoint'])}</title><style>{STYLE}</style></head><body><main>",
        f"<h1>{_code(head['mountpoint'])}</h1><p>shows {_code(head['source'])} under the plan "
        f"{_code(rules['plan_sha256'][:12])}</p>",
        *_figures(stats),
        *_rules(rules),
        *_decisions(decisions),
        *_more(),
        "</main></body></html>\n",
    ]
    return "\n".join(parts)


def _figures(stats: dict[str, Any]) -> Iterator[str]:
    in_memory = sum(stats[f"served_{place}_reads"] for place in _IN_MEMORY)
    seen = in_memory + stats["served_source_reads"] + stats["served_late_reads"]
    silent = stats["core"].get("estimated_silent_hits")
    held = stats["kernel_bytes"] + stats["daemon_bytes"]
    figures = {
        "hit ratio of the reads seen": _share(in_memory, seen),
        "reads seen": f"{seen:,}",
        "reads that the kernel answered alone, estimated": "unknown" if silent is None else f"{silent:,.0f}",
        "read from the source": _size(stats["source_read_bytes"]),
        "held now": f"{_size(held)} of {_size(stats['budget_bytes'])}",
        "failed reads": f"{stats['failed_reads']:,}",
    }
    yield "<dl>"
    for name, value in figures.items():
        yield f"<div><dt>{name}</dt><dd>{value}</dd></div>"
    yield "</dl>"


def _rules(rules: dict[str, Any]) -> Iterator[str]:
    yield '<h2 id="rules">Rules in force</h2>'
    yield "<p>A file counts for each of its rules. Reads that the kernel answers alone are not seen.</p>"
    heads = ("rule", "where", "when", "then", "files now", "their size", "reads", "hit ratio", "fetched")
    rows = [_rule(rule) for rule in rules["rules"]]
    rows.append([_head("no rule applies"), *[_cell("")] * 3, *_counts(rules["no_rule"])])
    yield from _table("rules", heads, rows)


def _rule(rule: dict[str, Any]) -> list[str]:
    origin = rule["origin"]
    when = [f"{each['fact']} {each['op']} {_value(each['value'])}" for each in rule["conditions"]]
    then = [
        " ".join([action["type"], *(f"{key}={_value(value)}" for key, value in action["parameters"].items())])
        for action in rule["actions"]
    ]
    return [
        _head(rule["id"]),
        _cell(f"{origin['layer']}: {origin['file']}:{origin['line']}"),
        _cell(*when),
        _cell(*then),
        *_counts(rule["now"]),
    ]


def _counts(now: dict[str, Any]) -> list[str]:
    served = {place: tally["count"] for place, tally in now["served"].items()}
    reads = sum(served.values())
    fetched = sum(tally["bytes"] for tally in now["fetched"].values())
    in_memory = sum(served[place] for place in _IN_MEMORY)
    texts = (f"{now['files']:,}", _size(now["bytes"]), f"{reads:,}", _share(in_memory, reads), _size(fetched))
    return [f'<td class="n">{text}</td>' for text in texts]


def _decisions(decisions: Any) -> Iterator[str]:
    yield '<h2 id="decisions">Latest decisions</h2>'
    if decisions is None:
        yield f"<p>Not kept: mount with {_code('--set debug=true')}.</p>"
        return
    latest = decisions["kept"][: -SHOWN - 1 : -1]
    yield f"<p>{len(latest)} of {decisions['made']:,}, the latest first.</p>"
    yield from _table("decisions", ("file", "rules, with scores", "who set what"), map(_decision, latest))


def _decision(note: dict[str, Any]) -> list[str]:
    applied = [f"{rule['id']} {rule['score']:.3g}" for rule in note["rules"]] or ["no rule"]
    won: dict[str, list[str]] = {}
    for parameter, rule in note["winners"].items():
        won.setdefault(rule, []).append(parameter)
    set_by = (f"{rule}: {', '.join(parameters)}" for rule, parameters in won.items())
    return [_head(note["path"]), _cell(*applied), _cell(*set_by)]


def _more() -> Iterator[str]:
    yield '<h2 id="file">One file</h2><form action="/ml/explain"><label>Path below the mountpoint'
    yield ' <input name="path" required></label> <button>Explain</button></form>'
    yield "<h2>As data</h2><p>"
    yield ", ".join(f'<a href="{path}">{path}</a>' for path in ("/ml/metrics", "/ml/rules", "/ml/history"))
    yield "</p>"


def _table(name: str, heads: Iterable[str], rows: Iterable[list[str]]) -> Iterator[str]:
    numbers = {"files now", "their size", "reads", "hit ratio", "fetched"}
    yield f'<div class="wide" tabindex="0" role="region" aria-labelledby="{name}"><table><thead><tr>'
    for head in heads:
        yield f'<th scope="col"{" class=n" if head in numbers else ""}>{head}</th>'
    yield "</tr></thead><tbody>"
    for row in rows:
        yield f"<tr>{''.join(row)}</tr>"
    yield "</tbody></table></div>"


def _cell(*texts: str) -> str:
    return f"<td>{'<br>'.join(_code(text) for text in texts if text)}</td>"


def _head(text: str) -> str:
    return f'<th scope="row">{_code(text)}</th>'


def _value(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _code(text: str) -> str:
    return f"<code>{escape(text)}</code>"


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.1%}" if whole else "unknown"


def _size(size: float) -> str:
    unit = 0
    while size >= 1024 and unit < len(_UNITS) - 1:
        size, unit = size / 1024, unit + 1
    return f"{size:.0f} B" if unit == 0 else f"{size:.1f} {_UNITS[unit]}"
