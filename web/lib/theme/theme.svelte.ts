// System, light or dark. The choice is kept in localStorage; public/theme.js applies it before the first
// paint, this keeps it afterwards (and in the other tabs).
import { readStored, store } from '../stored.ts';

export const THEMES = ['system', 'light', 'dark'] as const;
export type Theme = (typeof THEMES)[number];

const STORED_AS = 'manyhands.theme';

function stored(): Theme {
  const value = readStored('localStorage', STORED_AS);
  return value === 'light' || value === 'dark' ? value : 'system';
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
      store('localStorage', STORED_AS, next === 'system' ? null : next);
    },
    /** The one after this, for a button that goes round. */
    get next(): Theme {
      return THEMES[(THEMES.indexOf(choice) + 1) % THEMES.length] ?? 'system';
    },
  };
}

export const theme = createTheme();
