// A payload of the shelf as an address that a picture can show. The shelf serves bytes without a type, and wants the
// person's token: so they are fetched here, and let go when no component shows them any more.
import type { Claim } from '../../../shared/schemas/claim.ts';
import { client } from '../api.ts';

export type ClaimUrl = ReturnType<typeof createClaimUrl>;

/** Must be called while a component is set up. */
export function createClaimUrl(claim: () => Claim) {
  let url = $state<string | null>(null);
  let gone = $state(false);

  // A component that polls passes a new object each time, with the same payload.
  const token = $derived(claim().token);
  const contentType = $derived(claim().contentType);

  $effect(() => {
    const type = contentType;
    const stop = new AbortController();
    let made: string | null = null;
    client.claims
      .bytes(token, { signal: stop.signal })
      .then((response) => response.arrayBuffer())
      .then(
        (bytes) => {
          if (stop.signal.aborted) return;
          made = URL.createObjectURL(new Blob([bytes], { type }));
          url = made;
          gone = false;
        },
        () => {
          if (!stop.signal.aborted) gone = true;
        },
      );
    return () => {
      stop.abort();
      url = null;
      if (made !== null) URL.revokeObjectURL(made);
    };
  });

  return {
    /** Null until it is here. */
    get value() {
      return url;
    },
    /** It could not be fetched. */
    get gone() {
      return gone;
    },
  };
}
