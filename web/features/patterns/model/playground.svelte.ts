// An example that is set up, looked at and poked: what the edge says of its streams, processors and schedules, and the
// calls that this page made. The numbers on the screen are the edge's; only the differences are made here.
import type { Processor } from '../../../../shared/schemas/processor.ts';
import type { Problem } from '../../../../shared/schemas/problem.ts';
import type { Schedule } from '../../../../shared/schemas/schedule.ts';
import type { Stream } from '../../../../shared/schemas/stream.ts';
import { asProblem, client } from '../../../lib/api.ts';
import { poll } from '../../../lib/poll.svelte.ts';
import { type Example, type RestCall, takeDownOf } from '../examples/example.ts';
import { type Moved, movedBetween } from './moved.ts';

export interface Shown {
  streams: Record<string, Stream>;
  processors: Record<string, Processor>;
  schedules: Record<string, Schedule>;
}

const POLL_MS = 1_000;
/** A replay may be over within seconds. */
const REPLAY_POLL_MS = 250;
const ABSENT_POLL_MS = 4_000;
const LIST_LIMIT = 100;
const LIST_PAGES_MAX = 10;
const CALLS_SHOWN_MAX = 12;

export interface CallMade extends RestCall {
  number: number;
  ok: boolean;
}

export type Playground = ReturnType<typeof createPlayground>;

/** Must be called while a component is set up: it polls as long as that lives. */
export function createPlayground(example: Example) {
  let busy = $state('');
  let problem = $state.raw<Problem | null>(null);
  let calls = $state.raw<CallMade[]>([]);
  let doneOfSetUp = $state(0);
  let moved = $state.raw<Moved>({ at: 0, streams: {}, processors: {}, runs: {} });
  let made = 0;
  let known = false;
  let before: Shown | null = null;

  const shown = poll<Shown | 'absent'>(
    async (): Promise<Shown | 'absent'> => {
      if (!known && !(await isThere(example))) return 'absent';
      known = true;
      const next = await look(example);
      if (before) moved = movedBetween(before, next, moved.at + 1);
      before = next;
      return next;
    },
    () => (!known ? ABSENT_POLL_MS : isReplaying(before) ? REPLAY_POLL_MS : POLL_MS),
  );
  const value = $derived(shown.value === 'absent' ? null : shown.value);

  async function make(request: RestCall): Promise<unknown> {
    // Taken now: calls that are made side by side end in any order.
    const number = ++made;
    const record = (ok: boolean) => {
      calls = [{ ...request, number, ok }, ...calls].slice(0, CALLS_SHOWN_MAX);
    };
    try {
      const { method, path, body } = request;
      const answer = (await client.call(method, path, body)) ?? null;
      record(true);
      return answer;
    } catch (error) {
      record(false);
      throw error;
    }
  }

  /** Does one thing at a time, and says what went wrong. Undefined when it did not work. */
  async function act<Value>(
    what: string,
    action: () => Promise<Value>,
  ): Promise<Value | undefined> {
    if (busy !== '') return undefined;
    busy = what;
    problem = null;
    try {
      return await action();
    } catch (error) {
      problem = asProblem(error);
      return undefined;
    } finally {
      busy = '';
      void shown.refresh();
    }
  }

  return {
    example,
    get shown() {
      return value;
    },
    /** Whether everything of the example is there; null while that is not known. */
    get ready() {
      return shown.value === null ? null : value !== null;
    },
    get problem() {
      return problem ?? shown.problem;
    },
    /** What is being done; empty when nothing is. */
    get busy() {
      return busy;
    },
    get moved() {
      return moved;
    },
    /** Newest first. */
    get calls() {
      return calls;
    },
    get doneOfSetUp() {
      return doneOfSetUp;
    },
    refresh: shown.refresh,
    act,
    make,
    do: (request: RestCall) => act(request.why, () => make(request)),
    setUp: () =>
      act('setting up', async () => {
        doneOfSetUp = 0;
        for (const request of example.setUp) {
          await make(request);
          doneOfSetUp++;
        }
      }),
    takeDown: () =>
      act('taking down', async () => {
        // From here on nothing of it is asked for by its name.
        known = false;
        before = null;
        for (const request of takeDownOf(example)) await make(request);
        doneOfSetUp = 0;
      }),
  };
}

const isReplaying = (shown: Shown | null): boolean =>
  Object.values(shown?.processors ?? {}).some(({ replay }) => replay !== null);

/** By the lists: to ask for what is not there would be an error, and this is none. */
async function isThere(example: Example): Promise<boolean> {
  return (
    (await hasAll(client.streams.list, example.streams)) &&
    (await hasAll(client.processors.list, example.processors)) &&
    (await hasAll(client.schedules.list, example.schedules))
  );
}

async function hasAll(
  list: (page: { limit: number; cursor?: string }) => Promise<{
    items: { name: string }[];
    next: string | null;
  }>,
  names: readonly string[],
): Promise<boolean> {
  let missing = names;
  let cursor: string | null = null;
  for (let page = 0; page < LIST_PAGES_MAX && missing.length > 0; page++) {
    const { items, next } = await list({ limit: LIST_LIMIT, ...(cursor ? { cursor } : {}) });
    missing = missing.filter((name) => !items.some((item) => item.name === name));
    if (next === null) break;
    cursor = next;
  }
  return missing.length === 0;
}

async function look(example: Example): Promise<Shown> {
  const [ofStreams, ofProcessors, ofSchedules] = await Promise.all([
    Promise.all(example.streams.map((name) => client.streams.get(name))),
    Promise.all(example.processors.map((name) => client.processors.get(name))),
    Promise.all(example.schedules.map((name) => client.schedules.get(name))),
  ]);
  return {
    streams: byName(ofStreams),
    processors: byName(ofProcessors),
    schedules: byName(ofSchedules),
  };
}

const byName = <Item extends { name: string }>(items: Item[]): Record<string, Item> =>
  Object.fromEntries(items.map((item) => [item.name, item]));
