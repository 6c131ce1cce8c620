// The theme's colours for a canvas, which cannot read custom properties itself.
const NAMES = [
  'surface',
  'sunk',
  'ink',
  'muted',
  'border',
  'accent',
  'map',
  'reduce',
  'transfer',
  'edge',
  'retry',
  'failed',
  'done',
] as const;
export type TokenColours = Record<(typeof NAMES)[number], string>;

/** As they are now, at this element. Cheap enough to ask before each drawing. */
export function tokenColours(element: HTMLElement): TokenColours {
  const probe = document.createElement('span');
  probe.hidden = true;
  element.append(probe);
  const style = getComputedStyle(probe);
  const colours = Object.fromEntries(
    NAMES.map((name) => {
      probe.style.color = `var(--${name})`;
      return [name, style.color];
    }),
  ) as TokenColours;
  probe.remove();
  return colours;
}

/** Calls back when the system's scheme or the page's switch changes. */
export function onThemeChange(changed: () => void): () => void {
  const scheme = matchMedia('(prefers-color-scheme: dark)');
  scheme.addEventListener('change', changed);
  const observer = new MutationObserver(changed);
  observer.observe(document.documentElement, { attributeFilter: ['data-theme'] });
  return () => {
    scheme.removeEventListener('change', changed);
    observer.disconnect();
  };
}

/** Sizes a canvas for the screen's pixels; null where there is no 2d context. */
export function openCanvas(
  canvas: HTMLCanvasElement,
  width: number,
  height: number,
): CanvasRenderingContext2D | null {
  const ratio = devicePixelRatio || 1;
  const [w, h] = [Math.max(1, Math.round(width * ratio)), Math.max(1, Math.round(height * ratio))];
  // Setting a size clears the canvas: only when it differs.
  if (canvas.width !== w) canvas.width = w;
  if (canvas.height !== h) canvas.height = h;
  const context = canvas.getContext('2d');
  context?.setTransform(ratio, 0, 0, ratio, 0, 0);
  context?.clearRect(0, 0, width, height);
  return context;
}
