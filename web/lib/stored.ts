// Texts that this browser keeps. Storage may be full or forbidden: then they live as long as the page.
type Where = 'localStorage' | 'sessionStorage';

export function readStored(where: Where, name: string): string | null {
  try {
    return globalThis[where].getItem(name);
  } catch {
    return null;
  }
}

/** Null takes it out. */
export function store(where: Where, name: string, text: string | null): void {
  try {
    if (text === null) globalThis[where].removeItem(name);
    else globalThis[where].setItem(name, text);
  } catch {
    // Kept for this visit only.
  }
}
