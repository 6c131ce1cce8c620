// What the page remembers, per tab or per browser. Storage may be forbidden or full: then it forgets.

const storeOf = (where: 'tab' | 'browser'): Storage =>
  where === 'tab' ? sessionStorage : localStorage;

export function recall(where: 'tab' | 'browser', key: string): string | null {
  try {
    return storeOf(where).getItem(key);
  } catch {
    return null;
  }
}

/** Null forgets. */
export function remember(where: 'tab' | 'browser', key: string, value: string | null): void {
  try {
    if (value === null) storeOf(where).removeItem(key);
    else storeOf(where).setItem(key, value);
  } catch {
    // Forgotten at the next reload, no worse.
  }
}
