// Appends what was decided. An event whose outputs the stream will never take (a claim that is gone) is found
// by going event by event: it is given up on, and the others' outputs are there.
import { CONSUME_RENEW_MS } from '../../../shared/limits.ts';
import type { TaskError } from '../../../shared/schemas/job.ts';
import { type ConsumePorts } from './consume-ports.ts';
import type {
  ConsumerConfig,
  ConsumerWork,
  Effects,
  Outputs,
  RanReport,
  RedrivenReport,
} from '../../contracts/consumer.rpc.ts';
import type { NewEvent } from '../../log/events.ts';
import {
  latencyOf,
  outputEvents,
  type OutputEvents,
  type RunBatch,
} from '../../outputs/effects.ts';
import { OutputMissingError, isRefusal } from '../../outputs/refusal.ts';

/** What is at hand of a run that was just decided. */
export interface JustRun {
  batch: RunBatch;
  events: NewEvent[];
}

/** Appends what was decided, and reports. A dispatcher that died may have appended a part of it. */
export async function finish(
  ports: ConsumePorts,
  { lease, config }: Pick<ConsumerWork, 'lease' | 'config'>,
  effects: Effects,
  run: JustRun | null,
): Promise<ConsumerWork | null> {
  const report = await whileRenewing(ports, lease, () =>
    appendEffects(ports, config, effects, run?.events),
  );
  if (run && report.kind === 'ran') report.latency = latencyOf(run.batch, report, ports.nowMs());
  return ports.consumer.report(lease, report);
}

/** A batch that waits for slow services may outlast the lease. */
export async function whileRenewing<Result>(
  { consumer, every }: ConsumePorts,
  lease: number,
  work: () => Promise<Result>,
): Promise<Result> {
  const stop = every(CONSUME_RENEW_MS, () => {
    consumer
      .renew(lease)
      .catch((error: unknown) => console.error('a lease was not renewed', error));
  });
  try {
    return await work();
  } finally {
    stop();
  }
}

interface Appended {
  emitted: number;
  duplicates: number;
  refused: { offset: number; error: TaskError }[];
}

/** The report, with what became of the outputs. Throws what is to be waited for: a full stream, no stream. */
async function appendEffects(
  ports: ConsumePorts,
  config: ConsumerConfig,
  effects: Effects,
  events: NewEvent[] | undefined,
): Promise<RanReport | RedrivenReport> {
  const total: Appended = { emitted: 0, duplicates: 0, refused: [] };
  for (const outputs of effects.outputs) {
    const appended = await appendOutputs(ports, config, effects, outputs, events);
    total.emitted += appended.emitted;
    total.duplicates += appended.duplicates;
    total.refused.push(...appended.refused);
  }
  const { refused, emitted, duplicates } = total;
  const { report } = effects;
  if (report.kind === 'redriven') {
    const errors = new Map(refused.map(({ offset, error }) => [offset, error]));
    const letters = report.letters.map((letter) => {
      const error = errors.get(letter.offset);
      return error ? { ...letter, error } : letter;
    });
    return { ...report, letters, emitted, duplicates };
  }
  const lines = refused.map(async ({ offset, error }) => {
    const bounds = { maxEvents: 1, maxBytes: 1 };
    const read = await ports.read(config.ref.source, offset, bounds);
    return { offset, line: read.kind === 'events' ? read.text : '', error };
  });
  const processed = report.processed - refused.length;
  const all = [...report.refused, ...(await Promise.all(lines))];
  return { ...report, processed, emitted, duplicates, refused: all };
}

async function appendOutputs(
  ports: ConsumePorts,
  config: ConsumerConfig,
  { output, version }: Effects,
  outputs: Outputs,
  events: NewEvent[] | undefined,
): Promise<Appended> {
  const all = outputEvents(outputs, config.ref, version, events);
  const append = async (some: OutputEvents): Promise<Appended> => {
    const { accepted, duplicates } = await ports.append(output, some, outputs.producer);
    return { emitted: accepted, duplicates, refused: [] };
  };
  try {
    return await append(all);
  } catch (error) {
    // What the code emitted before it was changed went to a stream that is gone, with all that was in it.
    if (error instanceof OutputMissingError && output !== config.output) {
      return { emitted: 0, duplicates: 0, refused: [] };
    }
    if (!isRefusal(error, all)) throw error;
  }
  const total: Appended = { emitted: 0, duplicates: 0, refused: [] };
  for (const { offset, events } of byOffset(all, outputs.offsets)) {
    try {
      const appended = await append(events);
      total.emitted += appended.emitted;
      total.duplicates += appended.duplicates;
    } catch (error) {
      if (!isRefusal(error, events)) throw error;
      const message = `an emitted event was refused: ${error.message}`;
      total.refused.push({ offset, error: { code: 'bad_value', message } });
    }
  }
  return total;
}

function byOffset(all: OutputEvents, offsets: number[]) {
  const groups: { offset: number; events: OutputEvents }[] = [];
  all.events.forEach((event, i) => {
    const offset = offsets[i] as number;
    let group = groups.at(-1);
    if (group?.offset !== offset) {
      group = { offset, events: { events: [], sequences: [], ids: [] } };
      groups.push(group);
    }
    group.events.events.push(event);
    group.events.sequences.push(all.sequences[i] as number);
    group.events.ids.push(all.ids[i] as string);
  });
  return groups;
}
