// The style of the documentation page: the page's own tokens (web/lib/theme/tokens.css), as few of them as it
// needs, so that it stands alone.
export const PAGE_STYLE = `
:root {
  color-scheme: light dark;
  --bg: light-dark(#faf8f3, #131419);
  --surface: light-dark(#ffffff, #1b1d24);
  --sunk: light-dark(#f1ede4, #0e0f13);
  --ink: light-dark(#1c1b18, #ece9e1);
  --muted: light-dark(#625e55, #a8a499);
  --border: light-dark(#ddd7ca, #30333d);
  --accent: light-dark(#0a6b64, #4fc7bc);
  --get: light-dark(#245fc9, #7fb0ff);
  --put: light-dark(#8f5600, #e8b04a);
  --post: light-dark(#0a6b64, #4fc7bc);
  --delete: light-dark(#b4202a, #ff8087);
  --mono: ui-monospace, 'SF Mono', Menlo, Consolas, monospace;
}
* { box-sizing: border-box; }
html { scroll-padding-top: 16px; }
body { margin: 0; background: var(--bg); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
a { color: var(--accent); }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
:target { scroll-margin-top: 16px; background: var(--sunk); }
.skip { position: absolute; left: -999px; }
.skip:focus { left: 16px; top: 8px; }
.frame { display: grid; grid-template-columns: 260px minmax(0, 1fr); max-width: 1280px; margin: 0 auto; }
nav { position: sticky; top: 0; align-self: start; max-height: 100vh; overflow-y: auto; padding: 32px 16px; font-size: 14px; }
nav h2 { font-size: 12px; margin: 16px 0 4px; color: var(--muted); }
nav ul { list-style: none; margin: 0; padding: 0; }
nav a { display: block; padding: 4px 0; text-decoration: none; color: var(--ink); }
nav a:hover { color: var(--accent); text-decoration: underline; }
main { padding: 32px clamp(16px, 4vw, 32px) 96px; }
h1 { font-size: 28px; line-height: 1.25; margin: 0; }
h2 { font-size: 20px; line-height: 1.25; margin: 48px 0 8px; }
h3 { font-size: 16px; line-height: 1.25; margin: 0 0 8px; overflow-wrap: anywhere; }
h4 { font-size: 14px; line-height: 1.25; margin: 16px 0 4px; }
p, li { max-width: 68ch; }
p { margin: 0 0 8px; }
code, pre { font-family: var(--mono); font-size: 14px; font-variant-numeric: tabular-nums; }
.card { background: var(--surface); border: 1px solid var(--border); border-radius: 8px; padding: 16px; margin: 16px 0; }
.card:target { border-color: var(--accent); background: var(--surface); }
.method { display: inline-block; min-width: 64px; font: 700 12px/1.5 var(--mono); }
.get { color: var(--get); } .put { color: var(--put); } .post { color: var(--post); } .delete { color: var(--delete); }
.open { color: var(--muted); font-size: 14px; font-weight: 400; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: 14px; }
th, td { text-align: left; vertical-align: top; padding: 4px 12px 4px 0; border-bottom: 1px solid var(--border); }
th { font-weight: 600; white-space: nowrap; }
thead th { color: var(--muted); }
.note { color: var(--muted); }
pre { background: var(--sunk); border-radius: 4px; padding: 12px; margin: 8px 0 0; overflow-x: auto; }
@media (max-width: 800px) {
  .frame { display: block; }
  nav { position: static; max-height: none; padding: 16px 16px 0; }
  nav ul { display: flex; flex-wrap: wrap; gap: 0 16px; }
}
@media print { nav { display: none; } .frame { display: block; } }
`;
