// The time, once a second, for "12 s ago": one timer for the whole page, running only while somebody reads.
import { createSubscriber } from 'svelte/reactivity';

const subscribe = createSubscriber((update) => {
  const timer = setInterval(update, 1000);
  return () => clearInterval(timer);
});

export const now = {
  get ms() {
    subscribe();
    return Date.now();
  },
};
