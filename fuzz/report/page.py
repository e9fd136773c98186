"""A run as one HTML page that steps through the page cache: no server, no resources, arrow keys."""

from __future__ import annotations

import html
import json
from collections.abc import Sequence
from string import Template
from typing import Final

from fuzz.engine.history import History
from fuzz.engine.verdict import Verdict
from fuzz.report.ladder import rows
from fuzz.report.report import verdict_lines
from fuzz.report.snapshot import Snapshot
from strategies.case import Case

__all__ = ["page"]


def page(title: str, case: Case, history: History, verdict: Verdict, snapshots: Sequence[Snapshot]) -> str:
    """The page.

    Args:
        title: of the window.
        case: what ran.
        history: what happened.
        verdict: what that means.
        snapshots: the state before the first event and after each one; it may lack that after the last, if the
            kernel did not survive it.
    """
    run = {
        "tasks": history.names,
        "rows": [row._asdict() for row in rows(history, case.failures)],
        "snapshots": snapshots,
        "verdict": "\n".join(verdict_lines(verdict)),
    }
    # "<" begins the end of the script in HTML, and nothing in JSON.
    return _PAGE.substitute(title=html.escape(title), run=json.dumps(run).replace("<", "\\u003c"))


_PAGE: Final = Template(r"""<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>$title</title>
<style>
:root { color-scheme: light dark; --line: #8886; --mark: #d62; --now: #49f3; --new: #fb04; --dim: #888 }
body { font: 14px/1.45 ui-monospace, monospace; margin: 0; display: grid; height: 100vh;
       grid: "history state" 1fr "verdict verdict" auto / minmax(26em, 3fr) 4fr }
#history { grid-area: history; overflow: auto; border-right: 1px solid var(--line) }
#state { grid-area: state; overflow: auto; padding: 0 1.5em }
#verdict { grid-area: verdict; margin: 0; padding: .6em 1em; border-top: 1px solid var(--line);
           white-space: pre-wrap; max-height: 30vh; overflow: auto }
table { border-collapse: collapse; width: 100% }
th { position: sticky; top: 0; background: Canvas; text-align: left }
th, td { padding: 0 .7em; border-right: 1px solid var(--line); white-space: pre }
#history tr { cursor: pointer }
#history td:first-child { text-align: right; color: var(--dim) }
.marked td:first-child::before { content: "> "; color: var(--mark); font-weight: bold }
.now { background: var(--now) }
.later { opacity: .45 }
h2 { font-size: 1em; margin: 1.2em 0 .4em; color: var(--dim); font-weight: normal }
.row { display: flex; flex-wrap: wrap; gap: .5em }
.box { border: 1px solid var(--line); border-radius: 4px; padding: .3em .7em; white-space: pre }
.new { background: var(--new) }
.gone { opacity: .4; text-decoration: line-through }
</style>
<div id="history"><table></table></div>
<div id="state"></div>
<pre id="verdict"></pre>
<script>
"use strict";
const run = $run;
const element = (tag, text = "", name = "") =>
  Object.assign(document.createElement(tag), {textContent: text, className: name});
const table = document.querySelector("table");
const rows = [];
let now = 0;

function addRow(cells, tag, name) {
  const row = table.appendChild(element("tr", "", name));
  for (const cell of cells) row.append(element(tag, cell));
  return row;
}

// Each part of the state as boxes, a text each; what was not there a step before is highlighted.
const parts = {
  "page cache (i_pages)": s => s.slots.map((entry, index) => index + ": " + (entry ?? "-")),
  "folios": s => s.folios.map(f => [
    f.name + (f.index === null ? "" : " at " + f.index) + (f.flags.length ? "  " + f.flags.join(" ") : ""),
    "holds " + f.pages.join(" "),
    "refcount " + f.refcount + "  mapcount " + f.mapcount,
    ...(f.locked_by ? ["locked by " + f.locked_by] : []),
    ...(f.frozen_by ? ["frozen by " + f.frozen_by] : []),
  ].join("\n")),
  "mappings": s => s.vmas.map(v => [
    v.name + " of " + v.mm + (v.missing ? "  userfaultfd MISSING" : "") + (v.alive ? "" : "  unmapped"),
    ...v.pages.map(p => p.index + ": " + (p.pte ?? "-") + (p.tlb && p.tlb !== p.pte ? "  (TLB: " + p.tlb + ")" : "")),
    ...v.waiting.map(w => "waits for user space: " + w),
  ].join("\n")),
  "locks": s => Object.entries(s.held).map(([task, locks]) => task + " holds " + locks.join(", ")),
  "file": s => Object.entries(s.file).map(([name, value]) => name + " " + value),
};

function show(step) {
  now = Math.max(0, Math.min(run.rows.length, step));
  rows.forEach((row, number) => {
    row.classList.toggle("now", number === now);
    row.classList.toggle("later", number > now);
  });
  rows[now].scrollIntoView({block: "nearest"});
  const last = run.snapshots.length - 1;
  const state = run.snapshots[Math.min(now, last)], before = run.snapshots[Math.min(Math.max(now - 1, 0), last)];
  const pane = document.getElementById("state");
  pane.replaceChildren();
  for (const [title, texts] of Object.entries(parts)) {
    const old = texts(before), boxes = element("div", "", "row");
    texts(state).forEach((text, number) => {
      const box = element("div", text, "box");
      box.classList.toggle("new", text !== old[number]);
      box.classList.toggle("gone", title === "folios" && state.folios[number].flags.includes("freed"));
      boxes.append(box);
    });
    pane.append(element("h2", title), boxes);
  }
}

addRow(["step", ...run.tasks], "th", "");
rows.push(addRow(["0", ...run.tasks.map(() => "")], "td", ""));
run.rows.forEach(({task, text, marked}, number) => {
  const cells = run.tasks.map((_, column) => column === task ? text : "");
  rows.push(addRow([number + 1, ...cells], "td", marked ? "marked" : ""));
});
rows.forEach((row, number) => row.onclick = () => show(number));
document.getElementById("verdict").textContent = run.verdict + "\n\narrow keys: step, Home, End";
document.onkeydown = event => {
  const by = {ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1, PageDown: 10, PageUp: -10, Home: -1e9, End: 1e9};
  if (!(event.key in by)) return;
  event.preventDefault();
  show(now + by[event.key]);
};
show(0);
</script>
""")
