// The newest clicks, and what became of them: read on from where this page was, with each look of the playground.
import type { LateEvent, OpenEventWindow } from '../../../../shared/schemas/processor.ts';
import type { StreamEvent } from '../../../../shared/schemas/stream.ts';
import { client } from '../../../lib/api.ts';
import type { Playground } from '../model/playground.svelte.ts';

const KEPT_MAX = 400;
const BACKLOG = 100;
const READ_MAX = 500;
const LATE_LOOKED_AT = 100;
const WINDOWS_LOOKED_AT = 100;

/** What is known of one processor of windows. */
export interface Windowed {
  open: readonly OpenEventWindow[];
  late: readonly LateEvent[];
}

const NOTHING: Windowed = { open: [], late: [] };

/** Must be called while a component is set up. */
export function createClickLog(playground: Playground) {
  let clicks = $state.raw<readonly StreamEvent[]>([]);
  let outputs = $state.raw<Record<string, readonly StreamEvent[]>>({});
  let windowed = $state.raw<Record<string, Windowed>>({});
  let looking = false;
  /** Where to read on, by partition. */
  const places: Record<string, number> = {};

  async function readOn(stream: string): Promise<StreamEvent[]> {
    const of = playground.shown?.streams[stream];
    if (!of) return [];
    const pages = await Promise.all(
      of.partitions.map(async ({ partition, first, next }) => {
        // A stream that was made anew begins anew.
        const name = `${stream}/${partition} ${of.createdAt}`;
        // Far behind its end: only the newest are drawn.
        const from = Math.max(first, next - BACKLOG, places[name] ?? 0);
        if (from >= next) return [];
        const page = await client.streams.events(stream, { partition, from, limit: READ_MAX });
        places[name] = page.next;
        return page.events;
      }),
    );
    return pages.flat();
  }

  async function look(): Promise<void> {
    const shown = playground.shown;
    if (!shown) return;
    await Promise.all([
      readOn('clicks').then((more) => {
        if (more.length > 0) clicks = [...clicks, ...more].slice(-KEPT_MAX);
      }),
      ...['page-views', 'visits'].map(async (stream) => {
        const more = await readOn(stream);
        if (more.length === 0) return;
        outputs = { ...outputs, [stream]: [...(outputs[stream] ?? []), ...more].slice(-KEPT_MAX) };
      }),
      ...Object.values(shown.processors).map(async ({ name, counters }) => {
        const before = windowed[name] ?? NOTHING;
        const [open, late] = await Promise.all([
          client.processors.windows(name, { limit: WINDOWS_LOOKED_AT }),
          (counters.late ?? 0) === 0
            ? { items: before.late }
            : client.processors.late(name, { limit: LATE_LOOKED_AT }),
        ]);
        windowed = { ...windowed, [name]: { open: open.items, late: late.items } };
      }),
    ]);
  }

  $effect(() => {
    void playground.moved.at;
    // One look at a time: two would read the same events.
    if (looking) return;
    looking = true;
    look()
      .catch(() => undefined) // the next look asks again
      .finally(() => (looking = false));
  });

  return {
    get clicks() {
      return clicks;
    },
    outputsOf: (stream: string): readonly StreamEvent[] => outputs[stream] ?? [],
    of: (processor: string): Windowed => windowed[processor] ?? NOTHING,
  };
}
