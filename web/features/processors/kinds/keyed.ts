// What the kinds with keys have in common: where the key of an event is, the shards, and where late events go. Pure.
import { getOwn } from '../../../../shared/own.ts';
import type { FieldError } from '../../../../shared/schemas/problem.ts';
import { EventPath, type KeyedSpec, type KeyPath } from '../../../../shared/schemas/processor.ts';
import type { ProcessorDraft } from './draft.ts';
import { type CounterRow, PLAIN } from './rules.ts';

type KeyDraft = Pick<ProcessorDraft, 'keyBy' | 'keyPerStream' | 'keyByStream'>;

export const KEYED = {
  ...PLAIN,
  fields: ['keyBy', 'shards'],
};

export const tooLate = (late = 0): CounterRow => ['Late', 'events that came too late', late];

export const keysDraftOf = ({ keyBy, shards }: KeyedSpec): Partial<ProcessorDraft> => ({
  ...keyDraftOf(keyBy),
  shards,
});

export const lateDraftOf = ({ late = '' }: { late?: string | undefined }): { late: string } => ({
  late,
});

export function latePartOf({ late }: ProcessorDraft): object {
  const stream = late.trim();
  return stream === '' ? {} : { late: stream };
}

export function keysPartOf(
  draft: ProcessorDraft,
  streams: readonly string[],
  errors: FieldError[],
): object {
  return { code: draft.code, keyBy: keyByOf(draft, streams, errors), shards: draft.shards };
}

const textOf = (path: KeyPath): string => [path].flat().join(', ');

function keyDraftOf(keyBy: KeyedSpec['keyBy']): KeyDraft {
  if (typeof keyBy === 'string' || Array.isArray(keyBy))
    return { keyBy: textOf(keyBy), keyPerStream: false, keyByStream: {} };
  const paths = Object.entries(keyBy).map(([stream, path]) => [stream, textOf(path)]);
  return { keyBy: 'key', keyPerStream: true, keyByStream: Object.fromEntries(paths) };
}

/** A path may have a comma in it: only one that ends a path stands between two. */
function pathsIn(text: string): string[] {
  return text
    .split(/\s+|,(?=(?:key|id|type|time|payload)(?:[.,\s]|$))/)
    .map((path) => path.replace(/,$/, ''))
    .filter((path) => path !== '');
}

function keyByOf(
  { keyBy, keyPerStream, keyByStream }: KeyDraft,
  streams: readonly string[],
  errors: FieldError[],
): KeyedSpec['keyBy'] {
  // One stream needs no list of streams.
  if (!keyPerStream || streams.length < 2) {
    const [only] = streams;
    const text = keyPerStream && only !== undefined ? (getOwn(keyByStream, only) ?? keyBy) : keyBy;
    return pathOf(text, 'keyBy', errors);
  }
  return Object.fromEntries(
    streams.map((stream) => [
      stream,
      pathOf(getOwn(keyByStream, stream) ?? '', `keyBy.${stream}`, errors),
    ]),
  );
}

function pathOf(text: string, at: string, errors: FieldError[]): KeyPath {
  const paths = pathsIn(text);
  if (paths.length === 0) errors.push({ path: at, message: 'say where the key is, such as key' });
  for (const path of paths) {
    const checked = EventPath.safeParse(path);
    if (checked.success) continue;
    const message = checked.error.issues[0]?.message ?? 'not a path into the event';
    errors.push({ path: at, message: `${path}: ${message}` });
  }
  const [first = '', ...others] = paths;
  return others.length === 0 ? first : paths;
}
