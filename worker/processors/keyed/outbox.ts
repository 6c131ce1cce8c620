// What a shard owes to others when it has changed its state: outputs, late events, and events that were lost on the
// way. It is stored in the transaction that changed the state, and paid after it, as often as it takes: sequences and
// ids are the same each time, so that the log takes each event once. Pure.
import type { StreamEvent } from '../../../shared/schemas/stream.ts';
import type { OutputEvents } from '../../outputs/effects.ts';
import { type NewEvent, parseEventLines } from '../../log/events.ts';
import type { Change, Late, Lost, Output } from './operator.ts';
import type { Letter } from '../../contracts/consumer.rpc.ts';
import { type ShardConfig, type ShardRef, shardName } from '../../contracts/shard.rpc.ts';

export interface Outbox {
  version: number;
  atMs: number;
  /** `first`: the sequence of the first one, for an idempotent producer; the others' follow. */
  outputs: { stream: string; first: number; items: Output[] } | null;
  late: { stream: string; first: number; items: Late[] } | null;
  lost: Lost[];
}

/** Null: nothing is owed. */
export function outboxOf(
  { output, late, version }: Pick<ShardConfig, 'output' | 'late' | 'version'>,
  change: Pick<Change, 'outputs' | 'late' | 'lost'>,
  next: { output: number; late: number },
  atMs: number,
): Outbox | null {
  const outputs =
    output !== null && change.outputs.length > 0
      ? { stream: output, first: next.output, items: change.outputs }
      : null;
  const lates =
    late !== null && change.late.length > 0
      ? { stream: late, first: next.late, items: change.late }
      : null;
  if (!outputs && !lates && change.lost.length === 0) return null;
  return { version, atMs, outputs, late: lates, lost: change.lost };
}

// --- As text: a line of JSON, then everything that is JSON already, as it is -------------------------

type Head<Item, Text extends keyof Item> = Omit<Item, Text>[];
interface OutboxHead {
  version: number;
  atMs: number;
  outputs: { stream: string; first: number; items: Head<Output, 'text'> } | null;
  late: { stream: string; first: number; items: Head<Late, 'line'> } | null;
  lost: Head<Lost, 'line'>;
}

export function outboxText({ version, atMs, outputs, late, lost }: Outbox): string {
  const head: OutboxHead = {
    version,
    atMs,
    outputs: outputs && {
      ...outputs,
      items: outputs.items.map(({ source, offset }) => ({ source, offset })),
    },
    late: late && {
      ...late,
      items: late.items.map(({ source, offset, key, reason }) => ({ source, offset, key, reason })),
    },
    lost: lost.map(({ source, offset, error, attempts }) => ({ source, offset, error, attempts })),
  };
  const lines = [JSON.stringify(head)];
  for (const { text } of outputs?.items ?? []) lines.push(text);
  for (const { line } of late?.items ?? []) lines.push(line);
  for (const { line } of lost) lines.push(line);
  return lines.join('\n');
}

export function readOutbox(text: string): Outbox {
  const lines = text.split('\n');
  const { outputs, late, lost, ...rest } = JSON.parse(lines[0] ?? '') as OutboxHead;
  let at = 1;
  const line = () => lines[at++] ?? '';
  return {
    ...rest,
    outputs: outputs && {
      ...outputs,
      items: outputs.items.map((item) => ({ ...item, text: line() })),
    },
    late: late && { ...late, items: late.items.map((item) => ({ ...item, line: line() })) },
    lost: lost.map((item) => ({ ...item, line: line() })),
  };
}

// --- As events ------------------------------------------------------------------------------------------

export const outputProducer = (ref: ShardRef) => shardName(ref);
export const lateProducer = (ref: ShardRef) => `${shardName(ref)}/late`;

/** Ids come from the sequence, so that an event without a key goes to the same partition each time. */
const idOf = ({ processorUid, generation, shard }: ShardRef, what: string, sequence: number) =>
  `${processorUid.slice(-8)}${what}${shard}-${generation}-${sequence}`;

/** `events`: the outputs, when they have been read already. */
export function outputsToAppend(
  { ref, sources }: Pick<ShardConfig, 'ref' | 'sources'>,
  { version, outputs }: Outbox,
  events?: NewEvent[],
): OutputEvents {
  const items = outputs?.items ?? [];
  const read = events ?? parseEventLines(items.map(({ text }) => text).join('\n'), Infinity);
  return toAppend(ref, 's', outputs?.first ?? 0, read, (i) => {
    const { source, offset } = items[i] as Output;
    return { ...sourceOf(ref, version, sources, source), offset };
  });
}

export function lateToAppend(
  { ref, sources }: Pick<ShardConfig, 'ref' | 'sources'>,
  { version, late }: Outbox,
): OutputEvents {
  const items = late?.items ?? [];
  const events = items.map(({ line }) => eventAgain(line));
  return toAppend(ref, 'l', late?.first ?? 0, events, (i) => {
    const { source, offset, reason } = items[i] as Late;
    return { ...sourceOf(ref, version, sources, source), offset, late: reason };
  });
}

function toAppend(
  ref: ShardRef,
  what: string,
  first: number,
  events: NewEvent[],
  sourceAt: (i: number) => NewEvent['source'],
): OutputEvents {
  events.forEach((event, i) => (event.source = sourceAt(i)));
  return {
    events,
    sequences: events.map((_, i) => first + i),
    ids: events.map((_, i) => idOf(ref, what, first + i)),
  };
}

function sourceOf(
  { processor }: ShardRef,
  version: number,
  sources: ShardConfig['sources'],
  source: number,
) {
  const at = sources[source];
  if (!at) throw new Error(`the shard has no source ${source}`);
  return { processor, version, stream: at.stream, partition: at.partition };
}

/** An event that was in a stream, as one for another stream: its id would be taken there. */
function eventAgain(line: string): NewEvent {
  const { type, key, time, payload, claim } = JSON.parse(line) as StreamEvent;
  const text = payload === undefined || claim ? null : JSON.stringify(payload);
  return { id: null, type, key, time, payload: text, claim: claim ?? null, source: null };
}

/** Lost events as dead letters, by source. */
export function lettersOf(
  { sources }: Pick<ShardConfig, 'sources'>,
  { lost, atMs }: Outbox,
): Map<number, Letter[]> {
  const letters = new Map<number, Letter[]>();
  for (const { source, offset, line, error, attempts } of lost) {
    const at = sources[source];
    if (!at) throw new Error(`the shard has no source ${source}`);
    const id = `${at.stream}:${at.partition}:${offset}`;
    const list = letters.get(source) ?? [];
    list.push({ id, offset, line, error, attempts, atMs });
    letters.set(source, list);
  }
  return letters;
}
