// System, light or dark. The choice is kept in localStorage; public/theme.js applies it before the first
// paint, this keeps it afterwards (and in the other tabs).
export const THEMES = ['system', 'light', 'dark'] as const;
export type Theme = (typeof THEMES)[number];

const STORED_AS = 'manyhands.theme';

function stored(): Theme {
  try {
    const value = localStorage.getItem(STORED_AS);
    return value === 'light' || value === 'dark' ? value : 'system';
  } catch {
    return 'system'; // storage may be forbidden; the page works without it
  }
}

function createTheme() {
  let choice = $state<Theme>(stored());
  const apply = () => {
    if (choice === 'system') delete document.documentElement.dataset['theme'];
    else document.documentElement.dataset['theme'] = choice;
  };
  addEventListener('storage', (event) => {
    if (event.key !== STORED_AS) return;
    choice = stored();
    apply();
  });
  return {
    get choice() {
      return choice;
    },
    set choice(next: Theme) {
      choice = next;
      apply();
      try {
        if (next === 'system') localStorage.removeItem(STORED_AS);
        else localStorage.setItem(STORED_AS, next);
      } catch {
        // kept for this visit only
      }
    },
    /** The one after this, for a button that goes round. */
    get next(): Theme {
      return THEMES[(THEMES.indexOf(choice) + 1) % THEMES.length] ?? 'system';
    },
  };
}

export const theme = createTheme();
