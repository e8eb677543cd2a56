// The page's only style sheet; its hash stands in the Content-Security-Policy. Rows have the colours of HAProxy's page.

const light =
  '--bg:#fff;--fg:#1b1f24;--dim:#4f5963;--line:#c4ccd4;--card:#f4f6f8;--link:#0550ae;--accent:#0969da;' +
  '--up:#c0ffc0;--backup:#b0d0ff;--down:#ff9090;--maint:#d79a4c;--drain:#6fbfff;--failing:#ffffa0;--rising:#ffd020;--none:#e4e4e4;--warn:#fff1a8'
const dark =
  '--bg:#0d1117;--fg:#e6edf3;--dim:#a9b3bd;--line:#3a424b;--card:#161b22;--link:#79b8ff;--accent:#58a6ff;' +
  '--up:#12381f;--backup:#14304f;--down:#6b1d20;--maint:#4d320e;--drain:#0c3d6b;--failing:#4d4a10;--rising:#5c4706;--none:#2a3038;--warn:#553f00'

/** Colours by the state that stands in a row or a sign. */
const states: readonly (readonly [state: string, colour: string])[] = [
  ['up', 'up'],
  ['open', 'up'],
  ['master', 'up'],
  ['backup', 'backup'],
  ['down', 'down'],
  ['fault', 'down'],
  ['maint', 'maint'],
  ['drain', 'drain'],
  ['failing', 'failing'],
  ['rising', 'rising'],
  ['init', 'none'],
  ['unchecked', 'none'],
  ['closed', 'none'],
]

/** The sheet. */
export const styleSheet = `
:root{color-scheme:light dark;${light}}
@media screen and (prefers-color-scheme:dark){:root{${dark}}}
body{--name:20rem}*{box-sizing:border-box}
body{font:15px/1.45 system-ui,sans-serif;margin:0 auto;max-width:110rem;padding:1rem;background:var(--bg);color:var(--fg)}
h1{font-size:1.3rem;margin:0}h2{font-size:1.15rem;margin:1.8rem 0 .5rem}h3{font-size:1rem;margin:0 0 .3rem}p{margin:.4rem 0}
a{color:var(--link)}small{font-size:.85em}.dim,figcaption,caption{color:var(--dim)}
header{display:flex;justify-content:space-between;align-items:baseline;flex-wrap:wrap;gap:.3rem 1rem}
.asof{margin:0}#live{font-weight:600}
.skip{position:absolute;left:-99rem}.skip:focus{left:1rem;top:.3rem;background:var(--bg);padding:.3rem .6rem;z-index:3}
.away{position:absolute;width:1px;height:1px;margin:0;overflow:hidden;clip-path:inset(50%);white-space:nowrap}
:focus-visible{outline:3px solid var(--accent);outline-offset:2px}main:focus,h2:focus,h3:focus{outline:none}
.verdict{padding:.6rem 1rem;border-left:.5rem solid;border-radius:.3rem;margin:.8rem 0}.verdict>p{font-size:1.35rem;font-weight:650;margin:0}
.verdict.well{background:var(--up);border-color:#1a7f37}.verdict.attention{background:var(--warn);border-color:#bf8700}
.verdict.trouble{background:var(--down);border-color:#cf222e}
.findings,.events{list-style:none;padding:0;margin:.4rem 0}.findings li{padding:.1rem 0;font-size:1.05rem;overflow-wrap:anywhere}.findings .trouble{font-weight:650}
#answer{padding:.5rem 1rem;border:2px solid var(--line);border-radius:.3rem}#answer.refused{border-color:#cf222e}#answer.done{border-color:#1a7f37}#answer a{display:inline-block;padding:.2rem 0}
.cards{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(26rem,100%),1fr));gap:1rem}
article{background:var(--card);border:1px solid var(--line);border-radius:.4rem;padding:.7rem 1rem;overflow-wrap:anywhere}
dl{margin:.4rem 0}dl div{display:flex;gap:.6rem;padding:.1rem 0}dt{flex:0 0 8rem;color:var(--dim)}dd{margin:0}
.chip{padding:0 .4rem;margin:.1rem 0;border:1px solid;border-radius:.25rem}.na{font-style:italic;font-size:.9em}.glance{width:auto;min-width:50%}.glance th+td{min-width:14rem}details{margin:1.5rem 0}summary{cursor:pointer;padding:.2rem 0}details dt{flex:0 0 10rem}
.name,.chip,.glance th a{display:inline-block;width:max-content;max-width:var(--name);white-space:normal;overflow-wrap:anywhere}.glance th a{min-width:1.5rem;padding:.2rem 0}
.state{display:inline-block;font-weight:700;padding:0 .4rem;border:1px solid;border-radius:.25rem}
.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(16rem,100%),1fr));gap:1rem;margin:.5rem 0}
figure{margin:0}figcaption{font-size:.9em}figcaption b{color:var(--fg)}
svg{display:block;width:100%;height:2.6rem;background:var(--card);border:1px solid var(--line)}
svg path{fill:none;stroke:var(--accent);stroke-width:2;vector-effect:non-scaling-stroke}
.strip{height:1.8rem}.strip .hour{stroke:var(--line);stroke-width:1}.strip .info{stroke:var(--dim)}
.strip .warn{stroke:#bf8700}.strip .error{stroke:#cf222e;stroke-width:3}
.pair{display:grid;grid-template-columns:minmax(0,1fr);gap:0 2rem}@media (min-width:70rem){.pair{grid-template-columns:minmax(24rem,1fr) 2fr}.pair .day{max-height:24rem}}
.day{max-height:16rem;overflow-y:auto}.events li{display:grid;grid-template-columns:7rem 6rem 1fr;gap:.6rem;padding:.2rem 0;border-bottom:1px solid var(--line);overflow-wrap:anywhere}
.when{color:var(--dim)}.warn .level,.error .level{font-weight:700}
.scroll{overflow-x:auto;border:1px solid var(--line);border-radius:.3rem}
table{border-collapse:collapse;width:100%;font-size:.82rem;font-variant-numeric:tabular-nums}caption{text-align:left;padding:.3rem .5rem;font-size:.9em}
abbr{text-decoration:none}
th,td{text-align:left;padding:.25rem .32rem;border:1px solid var(--line);vertical-align:top;white-space:nowrap}
th+td,th+td+td{white-space:normal}.servers th+td,.servers th+td+td{min-width:8.5rem;overflow-wrap:anywhere}
.servers td:nth-child(n+4){text-align:right}
thead th{background:var(--card);font-weight:600}thead tr:first-child th{text-align:center}td.n,th.n{text-align:right}
tbody th,tfoot th{position:sticky;left:0;background:inherit;font-weight:600}tbody th small{font-weight:400}tbody th label{display:block;cursor:pointer}
tr{background:var(--bg)}tfoot tr{font-weight:600}
${states.map(([state, colour]) => `.state.${state},.chip.${state},tr.${state}{background:var(--${colour})}`).join('\n')}
.listener{content-visibility:auto;contain-intrinsic-size:auto 60rem;margin:0 -.5rem;padding:.1rem .5rem}
form{margin:.6rem 0;display:flex;flex-wrap:wrap;gap:.4rem;align-items:center}
button,select,input{font:inherit;padding:.3rem .5rem;min-height:2.2rem;max-width:100%}input[type=checkbox]{width:1.5rem;height:1.5rem;min-height:0;margin:0 .2rem 0 0;vertical-align:middle}
@media (pointer:coarse){button,select,input:not([type=checkbox]),summary{min-height:2.75rem}tbody th label,.glance th a{padding:.5rem 0}}
footer{margin-top:2rem;border-top:1px solid var(--line)}
@media (max-width:45rem){body{padding:.6rem;--name:9rem}.verdict>p{font-size:1.15rem}dt{flex:0 0 7.5rem}.events li{grid-template-columns:1fr 1fr}.events li span:last-child{grid-column:1/3}}
@media (forced-colors:active){svg{background:Canvas;border-color:CanvasText}svg path,.strip .info,.strip .warn,.strip .error{stroke:CanvasText}.strip .hour{stroke:GrayText}}
@media print{@page{size:landscape;margin:1cm}body{max-width:none;padding:0;font-size:9pt}form,.skip,#live,input,noscript{display:none}
.day,.pair .day{max-height:none}.day,.scroll{overflow:visible}.listener{content-visibility:visible}.listener,article,figure,tr,li{break-inside:avoid}h2,h3{break-after:avoid}
table{font-size:6.5pt}th,td{padding:1px 2px}tbody th,tfoot th{position:static}.servers th+td,.servers th+td+td{min-width:4.5rem}body{--name:8rem}}
`
