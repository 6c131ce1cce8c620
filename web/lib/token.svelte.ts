// The bearer token of this browser, if the edge wants one. A 401 anywhere sets `needed`: the shell then has
// a key in its bar, and on pages that are nothing without a token asks for it (see TokenDialog).
import { readStored, store } from './stored.ts';

const STORED_AS = 'manyhands.token';

function createToken() {
  let value = $state(readStored('localStorage', STORED_AS) ?? '');
  let asking = $state(false);
  let needed = $state(false);
  return {
    get value() {
      return value;
    },
    /** The dialog is open. */
    get asking() {
      return asking;
    },
    set asking(next: boolean) {
      asking = next;
    },
    /** True once a request was refused for want of a token. */
    get needed() {
      return needed;
    },
    refused() {
      needed = true;
    },
    keep(next: string) {
      value = next.trim();
      asking = false;
      store('localStorage', STORED_AS, value || null);
    },
  };
}

export const token = createToken();
