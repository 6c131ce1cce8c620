// How fresh what was read is: what each source partition has that is applied, and what is not in it yet. Pure.
import type { AppliedOffset } from '../../../shared/schemas/processor.ts';
import { exact, plural } from '../format.ts';

export interface FreshPlace {
  /** "users/0" */
  name: string;
  behind: number;
  /** 0…1, of what the partition has. */
  share: number;
  /** "applied 120 of 123: 3 behind" */
  text: string;
}

export interface Freshness {
  behind: number;
  sentence: string;
  /** Those that are furthest behind first. */
  places: FreshPlace[];
}

export function freshnessOf(asOf: readonly AppliedOffset[]): Freshness {
  const places = asOf
    .map(placeOf)
    .toSorted((a, b) => b.behind - a.behind || compareNames(a.name, b.name));
  const behind = places.reduce((sum, place) => sum + place.behind, 0);
  return { behind, sentence: sentenceOf(asOf, behind), places };
}

function placeOf({ stream, partition, offset, end }: AppliedOffset): FreshPlace {
  const behind = Math.max(0, end - offset);
  // What is being read may be ahead of the end that was asked for a moment before.
  const known = Math.max(end, offset);
  return {
    name: `${stream}/${partition}`,
    behind,
    share: known === 0 ? 1 : offset / known,
    text: `applied ${exact(offset)} of ${exact(known)}${behind > 0 ? `: ${exact(behind)} behind` : ''}`,
  };
}

function sentenceOf(asOf: readonly AppliedOffset[], behind: number): string {
  if (behind === 0) return 'Up to date: everything that was published is in it.';
  const stale = asOf.filter(({ offset, end }) => end > offset);
  const [first] = stale.toSorted((a, b) => b.end - b.offset - (a.end - a.offset));
  const others = stale.length - 1;
  const more = others > 0 ? ` and ${plural(others, 'more partition')}` : '';
  const place = first && `${first.stream}/${first.partition} offset ${exact(first.offset)}`;
  return `As of ${place}${more}: ${plural(behind, 'event')} ${behind === 1 ? 'is' : 'are'} not in it yet.`;
}

const compareNames = (a: string, b: string) => a.localeCompare(b, 'en', { numeric: true });
