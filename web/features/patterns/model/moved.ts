// What moved between two looks: events into a stream, through a processor, out of it, to the dead letters. A counter
// that began anew moved nothing. Pure.
import { getOwn } from '../../../../shared/own.ts';
import type { Processor } from '../../../../shared/schemas/processor.ts';
import type { ScheduleRun } from '../../../../shared/schemas/schedule.ts';
import type { Stream } from '../../../../shared/schemas/stream.ts';

export interface Moved {
  /** Grows with each look, so that the same movement twice is seen twice. */
  at: number;
  /** Events appended, by stream. */
  streams: Record<string, number>;
  processors: Record<string, Record<Watched, number>>;
  /** Runs that began, by schedule. */
  runs: Record<string, number>;
}

type Watched = 'processed' | 'emitted' | 'deadLettered' | 'retried';

interface Looked {
  streams: Record<string, Pick<Stream, 'partitions'>>;
  processors: Record<string, Pick<Processor, 'counters' | 'version'>>;
  schedules: Record<string, { runs: readonly Pick<ScheduleRun, 'at' | 'job'>[] }>;
}

export function movedBetween(before: Looked, after: Looked, at: number): Moved {
  return {
    at,
    streams: mapEach(after.streams, (stream, name) => {
      const looked = getOwn(before.streams, name);
      return grown(looked && headsOf(looked), headsOf(stream));
    }),
    processors: mapEach(after.processors, ({ counters, version }, name) => {
      const looked = getOwn(before.processors, name);
      // Another version may have taken over, with counters of its own.
      const old = looked?.version === version ? looked.counters : undefined;
      const by = (counter: Watched) => grown(old?.[counter], counters[counter]);
      return {
        processed: by('processed'),
        emitted: by('emitted'),
        deadLettered: by('deadLettered'),
        retried: by('retried'),
      };
    }),
    runs: mapEach(after.schedules, ({ runs }, name) => {
      const known = getOwn(before.schedules, name)?.runs;
      if (!known) return 0;
      const isKnown = (run: Pick<ScheduleRun, 'at' | 'job'>) =>
        known.some(({ at: due, job }) => due === run.at && job === run.job);
      return runs.filter((run) => !isKnown(run)).length;
    }),
  };
}

export const headsOf = ({ partitions }: Pick<Stream, 'partitions'>): number =>
  partitions.reduce((sum, { next }) => sum + next, 0);

const grown = (before: number | undefined, after: number): number =>
  before === undefined ? 0 : Math.max(0, after - before);

function mapEach<In, Out>(
  record: Record<string, In>,
  map: (value: In, name: string) => Out,
): Record<string, Out> {
  return Object.fromEntries(
    Object.entries(record).map(([name, value]) => [name, map(value, name)]),
  );
}
