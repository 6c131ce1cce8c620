// Up, down, home and end move the focus through a list of links or buttons; enter is theirs already.
/** An action for the list's element: `use:arrowKeys`, with the items marked `data-item`. */
export function arrowKeys(list: HTMLElement) {
  const onKey = (event: KeyboardEvent) => {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const items = [...list.querySelectorAll<HTMLElement>('[data-item]')];
    const at = items.findIndex((item) => item === document.activeElement);
    if (at < 0) return;
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: items.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    items[Math.min(items.length - 1, Math.max(0, to))]?.focus();
  };
  list.addEventListener('keydown', onKey);
  return { destroy: () => list.removeEventListener('keydown', onKey) };
}
