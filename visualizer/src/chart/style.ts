/** The style of charts: with the colors of the page, or with both color sets in a standalone picture. */
import theme from '../theme.css?raw';

const rules = `
.chart { font-family: system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
.chart text { fill: var(--text); font-size: 11px; }
.state-box { fill: var(--surface); stroke: var(--line-strong); stroke-width: 1.2; }
.state-deep .state-box { fill: var(--surface-raised); }
.state-region > .state-box { stroke-dasharray: 5 4; }
.state-final > .state-box { stroke-width: 3; }
.chart .state-key { font-size: 13px; font-weight: 600; }
.chart .state-line { fill: var(--text-soft); }
.state-active > .state-box { stroke: var(--accent); stroke-width: 2.4; }
.state-leaf.state-active > .state-box { fill: var(--accent-soft); }
.state-active > .state-key { fill: var(--accent); }
.arrow { fill: none; stroke: var(--line-strong); stroke-width: 1.2; }
.arrow-head { fill: var(--line-strong); }
.arrow-error { stroke-dasharray: 4 3; }
.chart .arrow-label { fill: var(--text-soft); }
.arrow-back { fill: var(--surface); fill-opacity: 0.86; }
.start { fill: var(--text-soft); }
.taken .arrow { stroke: var(--fresh); stroke-width: 2.6; }
.taken .arrow-head { fill: var(--fresh); }
.chart .line-taken { fill: var(--fresh); font-weight: 600; }
.near .arrow { stroke: var(--accent); stroke-width: 2; }
.near .arrow-head { fill: var(--accent); }
.chart .line-waiting { fill: var(--waiting); font-weight: 600; }
`;

/** For the page, which defines the colors. */
export const pageStyle = rules;

/** For a standalone picture. */
export const standaloneStyle = ((): string => {
  const pairs = [...theme.matchAll(/(--[a-z-]+): light-dark\((#[0-9a-f]+), (#[0-9a-f]+)\)/g)];
  const values = (index: 2 | 3): string => pairs.map((pair) => `${pair[1]}: ${pair[index]};`).join(' ');
  return `.chart { ${values(2)} }\n@media (prefers-color-scheme: dark) { .chart { ${values(3)} } }${rules}.paper { fill: var(--surface); }\n`;
})();
