// The bearer token of this browser, if the edge wants one. A 401 anywhere sets `wanted`; the shell then
// asks for it.
const STORED_AS = 'manyhands.token';

function stored(): string {
  try {
    return localStorage.getItem(STORED_AS) ?? '';
  } catch {
    return '';
  }
}

function createToken() {
  let value = $state(stored());
  let wanted = $state(false);
  return {
    get value() {
      return value;
    },
    /** True after a request was refused for want of a token. */
    get wanted() {
      return wanted;
    },
    ask() {
      wanted = true;
    },
    dismiss() {
      wanted = false;
    },
    keep(next: string) {
      value = next.trim();
      wanted = false;
      try {
        if (value) localStorage.setItem(STORED_AS, value);
        else localStorage.removeItem(STORED_AS);
      } catch {
        // kept for this visit only
      }
    },
  };
}

export const token = createToken();
