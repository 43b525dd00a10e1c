"""How the report looks: light, dark, on narrow screens and on A4."""

# Colours after Okabe and Ito, told apart with any colour vision; shifted to a text contrast of 4.5 or more.
LIGHT = """
:root {
  --page: #ffffff; --text: #1b2330; --soft: #566173; --rule: #d5dae2; --faint: #eceff3; --panel: #f6f7f9;
  --warning: #a12a00; --shade: #8a94a5;
  --case0: #0067a6; --case1: #b84700; --case2: #00785a; --others: #98a2b1;
}
"""
"""The colours on paper and on a light screen."""

CHARTS = """
svg text { fill: var(--text); font-size: 13px; }
svg text.title { fill: var(--soft); }
svg text.label, svg text.panel { font-weight: 600; }
.axis { stroke: var(--text); stroke-width: 1; }
.grid { stroke: var(--faint); stroke-width: 1; }
.case0 { --case: var(--case0); } .case1 { --case: var(--case1); } .case2 { --case: var(--case2); }
.other { --case: var(--others); }
svg text.label { fill: var(--case); } svg text.label.other { fill: var(--soft); }
svg text.label, svg text.panel { stroke: var(--page); stroke-width: 4px; paint-order: stroke; }
.area { fill: var(--case); fill-opacity: .16; }
.outline, .curve { fill: none; stroke: var(--case); stroke-width: 2; stroke-linejoin: round; }
.curve.case1 { stroke-dasharray: 8 3; } .curve.case2 { stroke-dasharray: 2 3; }
.curve.other { stroke-width: 1; }
.marker { stroke: var(--case); stroke-width: 1.5; }
.marker.mean { stroke-dasharray: 1.5 3; } .marker.tail { stroke-dasharray: 7 4; }
.point { fill: var(--page); stroke: var(--case); stroke-width: 2; }
.bar, .dot { fill: var(--case); }
.whisker { stroke: var(--case); stroke-width: 2; stroke-linecap: round; }
"""
"""How charts look, in the page and alone."""

STYLE = (
    LIGHT
    + """:root { color-scheme: light dark; }
@media screen and (prefers-color-scheme: dark) {
  :root:not(.light) {
    --page: #12161d; --text: #e6e9ef; --soft: #a3adbd; --rule: #39424f; --faint: #232a34; --panel: #1a2029;
    --warning: #ff9b73; --shade: #76839a;
    --case0: #5cb8f0; --case1: #ff9a52; --case2: #3fd0a6; --others: #6b7686;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--page); color: var(--text);
  font: 400 16px/1.5 "Segoe UI", "Helvetica Neue", Helvetica, "Liberation Sans", Arial, sans-serif;
  font-variant-numeric: tabular-nums lining-nums; overflow-wrap: break-word; /* a name may be one long word */
}
main { max-width: 66rem; margin: 0 auto; padding: 3rem 2rem 4rem; }
h1, h2, .headline { font-family: "Iowan Old Style", Charter, Georgia, Cambria, "Liberation Serif", serif; }
.kicker { margin: 0; color: var(--soft); font-size: .8125rem; letter-spacing: .09em; text-transform: uppercase; }
h1 { margin: .25rem 0 1.25rem; font-size: 2.25rem; line-height: 1.15; font-weight: 600; overflow-wrap: anywhere; }
.headline { margin: 0; font-size: 1.375rem; line-height: 1.45; }
.headline strong { font-weight: 700; white-space: nowrap; }
h2 { margin: 0 0 .75rem; padding-top: 1.25rem; border-top: 2px solid var(--text); font-size: 1.5rem; font-weight: 600; }
h3 { margin: 2rem 0 .5rem; font-size: 1.0625rem; }
section { margin-top: 3rem; }
.notice { margin: 1.25rem 0 0; padding: .6rem .9rem; border-left: 4px solid var(--warning); background: var(--panel); }
.notice { font-weight: 600; }
.verdict { margin: 1.25rem 0 0; padding: .6rem .9rem; border-left: 4px solid var(--case2); background: var(--panel); }
.verdict.short, .verdict.close { border-color: var(--warning); }
.facts { display: flex; flex-wrap: wrap; gap: .75rem 2.5rem; margin: 1.75rem 0 0; padding-top: 1rem; }
.facts { border-top: 1px solid var(--rule); }
.facts dt { color: var(--soft); font-size: .8125rem; }
.facts dd { margin: 0; font-weight: 600; overflow-wrap: anywhere; }
a { color: inherit; }
nav { margin-top: 3rem; }
nav ol { columns: 2; margin: 0; padding-left: 1.25rem; }
ul { padding-left: 1.25rem; }
/* What is wider than the screen scrolls, and a shadow at the edge tells that there is more. */
.wide {
  overflow-x: auto;
  background: linear-gradient(to right, var(--page) 40%, transparent) left / 3rem 100% no-repeat local,
    linear-gradient(to left, var(--page) 40%, transparent) right / 3rem 100% no-repeat local,
    linear-gradient(to right, var(--shade), transparent) left / 1rem 100% no-repeat scroll,
    linear-gradient(to left, var(--shade), transparent) right / 1rem 100% no-repeat scroll;
}
.wide.more::before { display: none; position: sticky; left: 0; padding-bottom: .35rem; color: var(--soft); }
.wide.more::before { content: "Swipe: there is more to the right →"; font-size: .8125rem; }
.wide:focus-visible { outline: 2px solid var(--case0); outline-offset: 2px; }
table { width: 100%; border-collapse: collapse; font-size: .9375rem; }
caption { padding-bottom: .5rem; color: var(--soft); font-size: .875rem; text-align: left; }
caption { position: sticky; left: 0; max-width: calc(100vw - 2rem); } /* wide tables scroll, their captions stay */
th, td { padding: .45rem 0 .45rem 1.25rem; text-align: right; vertical-align: top; }
td { white-space: nowrap; }
tr > * { border-bottom: 1px solid var(--faint); }
th:first-child { padding-left: 0; text-align: left; }
thead th { border-bottom: 1px solid var(--text); vertical-align: bottom; }
thead th { color: var(--soft); font-size: .8125rem; font-weight: 600; }
tbody th { font-weight: 400; overflow-wrap: break-word; }
tfoot th, tfoot td { border-top: 1px solid var(--text); border-bottom: 0; font-weight: 600; }
td small, th small { display: block; color: var(--soft); font-size: .8125rem; font-weight: 400; white-space: nowrap; }
.record + .compact { margin-top: 2rem; }
.compact { margin-bottom: 2rem; }
section > figure { margin-top: 1.5rem; }
.compact table { font-size: .875rem; }
.compact :is(th, td) { padding-left: .9rem; }
.compact :is(td, th) small { font-size: .75rem; white-space: normal; }
.compact th:first-child { padding-left: 0; min-width: 7rem; overflow-wrap: anywhere; }
.pairs { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(26rem, 100%), 1fr)); gap: 1.5rem 2.5rem; }
.pairs caption { color: var(--text); font-weight: 600; }
.pairs td small { white-space: normal; }
.bars { text-align: left; }
td.bars { vertical-align: middle; }
td.bars svg { display: block; }
.record :is(th, td) { text-align: left; }
.record td { white-space: normal; overflow-wrap: anywhere; }
.record tbody th { white-space: nowrap; }
.equation { font-size: 1.0625rem; }
.warning { color: var(--warning); font-weight: 600; }
figure { margin: 0; }
figcaption { margin-top: .5rem; color: var(--soft); font-size: .875rem; }
.legend { display: flex; flex-wrap: wrap; gap: .25rem 1.5rem; margin: .5rem 0; padding: 0; list-style: none; }
.legend { font-size: .875rem; }
figure svg[role] { display: block; width: 100%; height: auto; min-width: 700px; }
"""
    + CHARTS
    + """
thead button { all: unset; cursor: pointer; }
thead button:focus-visible { outline: 2px solid var(--case0); outline-offset: 2px; }
[aria-sort=ascending] button::after { content: " ▲"; } [aria-sort=descending] button::after { content: " ▼"; }
.slice:not([hidden]) { display: flex; flex-wrap: wrap; gap: .5rem; align-items: baseline; margin-top: 1.5rem; }
.slice input { width: 16rem; padding: .3rem .5rem; border: 1px solid var(--soft); border-radius: 0; font: inherit; }
.slice input { color: inherit; background: var(--page); }
.slice output, .save { color: var(--soft); font-size: .875rem; }
.save { margin: .25rem 0 0; }
.save button { padding: 0; border: 0; font: inherit; color: inherit; background: none; text-decoration: underline; }
.save button { cursor: pointer; }
details { margin-top: 1.25rem; }
summary { cursor: pointer; font-weight: 600; }
pre { padding: 1rem; background: var(--panel); white-space: pre-wrap; overflow-wrap: anywhere; }
pre { font: .8125rem/1.45 ui-monospace, Consolas, "Liberation Mono", monospace; }
.guide { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(24rem, 100%), 1fr)); }
.guide { gap: 1.1rem 2.5rem; margin: 0; }
.guide dt { font-weight: 600; }
.guide dd { margin: 0; color: var(--soft); }
@media (max-width: 40rem) {
  main { padding: 1.5rem 1rem 3rem; }
  h1 { font-size: 1.75rem; }
  .headline { font-size: 1.1875rem; }
  nav ol { columns: 1; }
  table, .compact table { font-size: .8125rem; }
  th, td, .compact :is(th, td) { padding-left: .75rem; }
  thead th, td small, th small { font-size: .75rem; }
  td small, th small { white-space: normal; }
  tbody th, thead th:first-child, tfoot th { position: sticky; left: 0; background: var(--page); }
}
/* Columns of a width by which a telephone shows whole ones only: the first, and three beside it. */
@media screen and (max-width: 40rem) {
  .wide.more::before { display: block; }
  .wide.more { scroll-snap-type: x proximity; scroll-padding-left: 7rem; }
  .wide.more > table { width: max-content; table-layout: fixed; }
  .wide.more th:first-child { width: 7rem; min-width: 0; overflow-wrap: anywhere; }
  .wide.more :is(th, td):not(:first-child) { width: calc((100vw - 9rem) / 3); scroll-snap-align: start; }
  .wide.more :is(th, td).bars { width: calc((100vw - 9rem) / 3 * 2); }
  td.bars svg { width: 100%; }
  .wide:not(.more) td { white-space: normal; overflow-wrap: break-word; }
  .record :is(.wide, .wide.more) td { white-space: normal; overflow-wrap: anywhere; }
}
@page {
  size: A4; margin: 16mm 15mm 18mm;
  @bottom-right { content: counter(page) " / " counter(pages); color: #566173; font: 8pt sans-serif; }
}
@media print {
  :root { color-scheme: light; }
  html, body { font-size: 9.5pt; print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  main { max-width: none; padding: 0; }
  section { margin-top: 1.75rem; }
  h2, h3, caption, thead, summary, .legend, section > p:not(:last-child) { break-after: avoid; }
  nav, figure, tr, section > p, .guide div, .notice { break-inside: avoid; }
  /* A heading and a table's head come with rows: where there is no room for some, all go to the next page. */
  .wide.more::before { display: none; }
  .wide:is(.wide, .more):has(table)::before {
    content: ""; display: block; position: static; padding: 0; height: 45mm; margin-bottom: -45mm; break-inside: avoid;
  }
  thead button { display: contents; } /* else Chromium does not repeat the head where a table goes on */
  tfoot { display: table-row-group; } /* else the total is printed at the foot of every page */
  .slice:not([hidden]), .save, .on-screen { display: none; }
  .appendix { break-before: page; }
  td, td small { white-space: normal; }
  .wide { overflow: visible; background: none; }
  figure svg[role] { min-width: 0; max-height: 86mm; } /* two to a page */
  details::details-content { content-visibility: visible; display: block; block-size: auto; }
}
"""
)
