// Does something each time a value has changed, not for the value that was there first: what else was read by it
// is old then.
import { untrack } from 'svelte';

/** Call while a component is set up. */
export function whenChanged(valueOf: () => string | number, act: () => void): void {
  let last = untrack(valueOf);
  $effect(() => {
    const next = valueOf();
    if (next === last) return;
    last = next;
    untrack(act);
  });
}
