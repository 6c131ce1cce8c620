// The part of the form that keyed processors have: keys, shards, and the rules of states, joins and windows. It
// becomes that part of a specification, and comes from one. Pure.
import {
  GRACE_DEFAULT_MS,
  IDLE_DEFAULT_MS,
  JOIN_REMEMBER_DEFAULT_MS,
  SHARDS_DEFAULT,
  SKEW_DEFAULT_MS,
} from '../../../../shared/limits.ts';
import type { FieldError } from '../../../../shared/schemas/problem.ts';
import {
  EventPath,
  type EventWindow,
  type JoinRules,
  type KeyedSpec,
  type KeyPath,
} from '../../../../shared/schemas/processor.ts';

const MINUTE_MS = 60_000;

export interface KeyedDraft {
  /** Paths into the event, with commas or spaces between. */
  keyBy: string;
  /** One for each stream instead. */
  keyPerStream: boolean;
  keyByStream: Record<string, string>;
  shards: number | null;
  /** A stream; empty: none. */
  late: string;
  /** Null: states are kept for good. */
  ttlMs: number | null;
  joinTypes: string;
  timeoutMs: number | null;
  onTimeout: JoinRules['onTimeout'];
  rememberMs: number | null;
  windowType: EventWindow['type'];
  sizeMs: number | null;
  /** Null: windows follow each other. */
  slideMs: number | null;
  gapMs: number | null;
  graceMs: number | null;
  idleMs: number | null;
  skewMs: number | null;
  timePath: string;
}

export const newKeyedDraft = (): KeyedDraft => ({
  keyBy: 'key',
  keyPerStream: false,
  keyByStream: {},
  shards: SHARDS_DEFAULT,
  late: '',
  ttlMs: null,
  joinTypes: '',
  timeoutMs: MINUTE_MS,
  onTimeout: 'emit-partial',
  rememberMs: JOIN_REMEMBER_DEFAULT_MS,
  windowType: 'tumbling',
  sizeMs: MINUTE_MS,
  slideMs: null,
  gapMs: 30 * MINUTE_MS,
  graceMs: GRACE_DEFAULT_MS,
  idleMs: IDLE_DEFAULT_MS,
  skewMs: SKEW_DEFAULT_MS,
  timePath: 'time',
});

const textOf = (path: KeyPath): string => [path].flat().join(', ');

export function keyedDraftOf(spec: KeyedSpec): KeyedDraft {
  const draft = { ...newKeyedDraft(), ...keysOf(spec.keyBy), shards: spec.shards };
  if (spec.kind === 'stateful') return { ...draft, ttlMs: spec.ttlMs ?? null };
  const late = spec.late ?? '';
  if (spec.kind === 'join') {
    const { types, ...rules } = spec.join;
    return { ...draft, late, joinTypes: types.join(', '), ...rules };
  }
  const { type, time, ...rules } = spec.window;
  const window = { ...draft, late, windowType: type, timePath: time, ...rules };
  return { ...window, slideMs: window.slideMs ?? null };
}

function keysOf(
  keyBy: KeyedSpec['keyBy'],
): Pick<KeyedDraft, 'keyBy' | 'keyPerStream' | 'keyByStream'> {
  if (typeof keyBy === 'string' || Array.isArray(keyBy))
    return { keyBy: textOf(keyBy), keyPerStream: false, keyByStream: {} };
  const paths = Object.entries(keyBy).map(([stream, path]) => [stream, textOf(path)]);
  return { keyBy: 'key', keyPerStream: true, keyByStream: Object.fromEntries(paths) };
}

/** Names with commas or spaces between. */
export const words = (text: string): string[] => text.split(/[\s,]+/).filter((word) => word !== '');

/** A path may have a comma in it: only one that ends a path stands between two. */
function pathsIn(text: string): string[] {
  return text
    .split(/\s+|,(?=(?:key|id|type|time|payload)(?:[.,\s]|$))/)
    .map((path) => path.replace(/,$/, ''))
    .filter((path) => path !== '');
}

/** What only this kind has. Numbers that are missing are left to the schema to refuse. */
export function keyedPartOf(
  kind: KeyedSpec['kind'],
  draft: KeyedDraft,
  streams: readonly string[],
  errors: FieldError[],
): object {
  const keys = { keyBy: keyByOf(draft, streams, errors), shards: draft.shards };
  if (kind === 'stateful') return { ...keys, ...(draft.ttlMs !== null && { ttlMs: draft.ttlMs }) };
  const late = draft.late.trim();
  const both = { ...keys, ...(late !== '' && { late }) };
  return kind === 'join'
    ? { ...both, join: joinOf(draft, errors) }
    : { ...both, window: windowOf(draft, errors) };
}

function keyByOf(
  { keyBy, keyPerStream, keyByStream }: KeyedDraft,
  streams: readonly string[],
  errors: FieldError[],
): KeyedSpec['keyBy'] {
  // One stream needs no list of streams.
  if (!keyPerStream || streams.length < 2) {
    const [only] = streams;
    const text = keyPerStream && only !== undefined ? (keyByStream[only] ?? keyBy) : keyBy;
    return pathOf(text, 'keyBy', errors);
  }
  return Object.fromEntries(
    streams.map((stream) => [stream, pathOf(keyByStream[stream] ?? '', `keyBy.${stream}`, errors)]),
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

function joinOf(
  { joinTypes, timeoutMs, onTimeout, rememberMs }: KeyedDraft,
  errors: FieldError[],
): object {
  const types = words(joinTypes);
  if (types.length < 2) errors.push({ path: 'join.types', message: 'name two types or more' });
  return { types, timeoutMs, onTimeout, rememberMs };
}

function windowOf(draft: KeyedDraft, errors: FieldError[]): object {
  const { sizeMs, slideMs, gapMs, graceMs, idleMs, skewMs } = draft;
  const time = draft.timePath.trim();
  const checked = EventPath.safeParse(time);
  if (!checked.success)
    errors.push({
      path: 'window.time',
      message: checked.error.issues[0]?.message ?? 'not a path into the event',
    });
  const common = { graceMs, idleMs, skewMs, time };
  return draft.windowType === 'session'
    ? { type: 'session', gapMs, ...common }
    : { type: 'tumbling', sizeMs, ...(slideMs !== null && { slideMs }), ...common };
}
