// What the volunteer page says of the state of lending: a headline and the reason under it. Pure.
import { duration, plural } from '../../lib/format.ts';
import type { LendingStatus } from '../../lib/lending-line.ts';

export interface StatusWords {
  headline: string;
  detail: string;
}

export function statusWords(
  status: LendingStatus,
  why: string,
  busyCores: number,
  cores: number,
  snoozeLeftMs: number,
): StatusWords {
  switch (status) {
    case 'off':
      return { headline: 'Not lending', detail: 'Nothing runs in this tab.' };
    case 'connecting':
      return { headline: 'Connecting', detail: sentence(why || 'looking for the lobby') };
    case 'lending':
      return busyCores > 0
        ? { headline: `${plural(busyCores, 'core')} at work`, detail: `of ${cores} that you lend` }
        : { headline: 'Ready', detail: sentence(why || 'waiting for work') };
    case 'snoozed':
      return {
        headline: 'Snoozed',
        detail: `Goes on in ${duration(Math.ceil(snoozeLeftMs / 1000) * 1000)}.`,
      };
    case 'finishing':
      return {
        headline: 'Finishing',
        detail:
          busyCores > 0
            ? `${plural(busyCores, 'task')} to go, then it stops.`
            : 'Handing in the last results.',
      };
    case 'paused':
      return { headline: 'Paused', detail: sentence(why || 'one of your rules holds') };
    case 'refused':
      return { headline: 'The lobby said no', detail: sentence(why || 'it gave no reason') };
  }
}

function sentence(text: string): string {
  const start = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(start) ? start : `${start}.`;
}
