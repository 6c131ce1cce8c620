// Reads a partition for a step that waits for events, when a wake-up says that there are some: from where it was read to
// before, up to its end. What has the key and one of the types is told to the run.
import { BATCH_MAX_EVENTS, CONSUME_FOR_MS, READ_MAX_BYTES } from '../../../../shared/limits.ts';
import { keyTaker } from '../../../../shared/streaming/key-path.ts';
import type { WatchWakeUp } from '../../../contracts/wake-ups.ts';
import type { Env } from '../../../platform/env.ts';
import { logObject, runObject } from '../../../stubs.ts';
import { readEvents } from '../../../log/read.edge.ts';
import type { Watching } from '../../../contracts/run.rpc.ts';

/** What a step is called among the readers of a log. */
export const watchReader = (run: string, step: string): string => `${run}/${step}`;

export async function watchFor(env: Env, { run, step, source }: WatchWakeUp): Promise<void> {
  const object = runObject(env, run);
  const log = logObject(env, source);
  const reader = watchReader(run, step);
  const { partition } = source;
  const untilMs = Date.now() + CONSUME_FOR_MS;
  const bounds = { maxEvents: BATCH_MAX_EVENTS, maxBytes: READ_MAX_BYTES };
  let watching = await object.watching(step, partition);
  while (watching) {
    const read = await readEvents(env, source, watching.from, bounds);
    if (read.kind === 'unknown') return;
    if (read.kind === 'end') {
      if (await log.caughtUp(reader, watching.from)) return;
      continue;
    }
    const to = read.kind === 'expired' ? read.first : read.first + read.count;
    const events = read.kind === 'expired' ? [] : waitedFor(read.text, watching);
    watching = await object.arrived(step, partition, to, events);
    // There is more: the log sends another wake-up.
    if (watching && Date.now() >= untilMs) return;
  }
  await log.unsubscribe(reader);
}

/** The first event of each type that has the key. */
export function waitedFor(
  text: string,
  { types, keyBy, key }: Pick<Watching, 'types' | 'keyBy' | 'key'>,
): { type: string; json: string }[] {
  const take = keyTaker(keyBy);
  const found = new Map<string, string>();
  for (const line of text === '' ? [] : text.split('\n')) {
    const event = JSON.parse(line) as { type: string };
    if (!types.includes(event.type) || found.has(event.type)) continue;
    const taken = take(event);
    if (taken.ok && taken.key === key) found.set(event.type, line);
  }
  return [...found].map(([type, json]) => ({ type, json }));
}
