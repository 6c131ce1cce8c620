// What the New job form holds, as one plain value: it becomes a specification, comes from one (a template or
// a copy of a job), and is kept as text over a reload. Numbers may be null while somebody types.
import {
  type Format,
  FORMATS,
  DatasetInput,
  InlineInput,
  MAPPERS,
  MapReduceSpec,
  type MapReduceSpecInput,
  RangeInput,
  StreamInput,
} from '../../../../../shared/schemas/job.ts';
import {
  PARAMS_MAX_BYTES,
  PARTITIONS_DEFAULT,
  QUORUM_COPIES_DEFAULT,
  SPLIT_DEFAULT_BYTES,
  SPLIT_DEFAULT_ITEMS,
} from '../../../../../shared/limits.ts';
import type { FieldError } from '../../../../../shared/schemas/problem.ts';

export const INPUT_KINDS = ['dataset', 'inline', 'range', 'stream'] as const;
export type InputKind = (typeof INPUT_KINDS)[number];
export const VERIFY_MODES = ['adaptive', 'quorum', 'none'] as const;
type VerifyMode = (typeof VERIFY_MODES)[number];

export interface Draft {
  name: string;
  code: string;
  inputKind: InputKind;
  dataset: string;
  inline: string;
  format: Format;
  from: number | null;
  to: number | null;
  splitItems: number | null;
  stream: string;
  /** Points of a stream: an offset, a time, or an end of it. */
  streamFrom: string;
  streamTo: string;
  splitBytes: number | null;
  partitions: number | null;
  /** JSON text. */
  params: string;
  mappers: (typeof MAPPERS)[number];
  verify: VerifyMode;
  copies: number | null;
  skipBadRecords: number | null;
}

export type Specified =
  { ok: true; spec: MapReduceSpecInput } | { ok: false; errors: FieldError[] };

/** Fills a draft from a specification; what the specification does not use keeps its default. */
export function draftFrom(spec: MapReduceSpecInput): Draft {
  const { input, verify } = spec;
  const draft: Draft = {
    name: spec.name ?? '',
    code: spec.code,
    inputKind: 'inline',
    dataset: '',
    inline: '',
    format: 'lines',
    from: 0,
    to: 1_000,
    splitItems: SPLIT_DEFAULT_ITEMS,
    stream: '',
    streamFrom: 'earliest',
    streamTo: 'latest',
    splitBytes: spec.splitBytes ?? SPLIT_DEFAULT_BYTES,
    partitions: spec.partitions ?? PARTITIONS_DEFAULT,
    params: JSON.stringify(spec.params ?? {}, null, 2),
    mappers: spec.mappers ?? 'any',
    verify: verify?.mode ?? 'adaptive',
    copies: (verify?.mode === 'quorum' ? verify.copies : undefined) ?? QUORUM_COPIES_DEFAULT,
    skipBadRecords: spec.skipBadRecords ?? 0,
  };
  if ('range' in input) {
    const { from, to } = input.range;
    const splitItems = input.splitItems ?? SPLIT_DEFAULT_ITEMS;
    return { ...draft, inputKind: 'range', from, to, splitItems };
  }
  if ('stream' in input) {
    const { stream, from = 'earliest', to = 'latest' } = input;
    return {
      ...draft,
      inputKind: 'stream',
      stream,
      streamFrom: String(from),
      streamTo: String(to),
    };
  }
  const format = input.format ?? 'lines';
  if ('dataset' in input) return { ...draft, inputKind: 'dataset', dataset: input.dataset, format };
  return { ...draft, inputKind: 'inline', inline: input.inline, format };
}

/** The specification to submit, or what is wrong with it, each at its field's path as in the API. */
export function specOf(draft: Draft): Specified {
  const errors: FieldError[] = [];
  const params = readParams(draft.params, errors);
  const input = inputOf(draft, errors);
  const spec = {
    kind: 'mapreduce' as const,
    ...(draft.name.trim() !== '' && { name: draft.name.trim() }),
    code: draft.code,
    partitions: draft.partitions,
    ...(draft.inputKind !== 'range' && { splitBytes: draft.splitBytes }),
    params,
    mappers: draft.mappers,
    verify:
      draft.verify === 'quorum'
        ? { mode: 'quorum' as const, copies: draft.copies }
        : { mode: draft.verify },
    skipBadRecords: draft.skipBadRecords,
  };
  const parsed = MapReduceSpec.omit({ input: true }).safeParse(spec);
  if (!parsed.success) errors.push(...fieldErrors(parsed.error.issues, ''));
  if (!parsed.success || !input || errors.length > 0) return { ok: false, errors };
  return { ok: true, spec: { ...parsed.data, input } };
}

function inputOf(draft: Draft, errors: FieldError[]): MapReduceSpecInput['input'] | null {
  const parsed = parsedInput(draft);
  if (parsed.success) return parsed.data;
  if (draft.inputKind === 'dataset' && draft.dataset === '') {
    errors.push({ path: 'input.dataset', message: 'choose a dataset, or upload a file' });
  } else if (draft.inputKind === 'stream' && draft.stream.trim() === '') {
    errors.push({ path: 'input.stream', message: 'which stream?' });
  } else errors.push(...fieldErrors(parsed.error.issues, 'input.'));
  return null;
}

function parsedInput(draft: Draft) {
  const { format } = draft;
  switch (draft.inputKind) {
    case 'dataset':
      return DatasetInput.safeParse({ dataset: draft.dataset, format });
    case 'inline':
      return InlineInput.safeParse({ inline: draft.inline, format });
    case 'range':
      return RangeInput.safeParse({
        range: { from: draft.from, to: draft.to },
        splitItems: draft.splitItems,
      });
    case 'stream':
      return StreamInput.safeParse({
        stream: draft.stream.trim(),
        from: pointOf(draft.streamFrom, 'earliest'),
        to: pointOf(draft.streamTo, 'latest'),
      });
  }
}

/** What somebody typed as a place in a stream; the schema says whether it is one. */
function pointOf(text: string, otherwise: string): string | number {
  const typed = text.trim();
  if (typed === '') return otherwise;
  return /^\d+$/.test(typed) ? Number(typed) : typed;
}

function readParams(text: string, errors: FieldError[]): MapReduceSpecInput['params'] {
  if (text.trim() === '') return {};
  if (new TextEncoder().encode(text).length > PARAMS_MAX_BYTES) {
    errors.push({ path: 'params', message: `at most ${PARAMS_MAX_BYTES} bytes` });
    return {};
  }
  try {
    return JSON.parse(text) as MapReduceSpecInput['params'];
  } catch (error) {
    errors.push({
      path: 'params',
      message: error instanceof Error ? error.message : String(error),
    });
    return {};
  }
}

function fieldErrors(
  issues: readonly { path: PropertyKey[]; message: string }[],
  prefix: string,
): FieldError[] {
  return issues.map(({ path, message }) => ({ path: prefix + path.join('.'), message }));
}

/** Paths that have a field of their own; other problems are shown above the form. */
export const FIELD_PATHS = [
  'name',
  'code',
  'input.dataset',
  'input.inline',
  'input.format',
  'input.range.from',
  'input.range.to',
  'input.splitItems',
  'input.stream',
  'input.from',
  'input.to',
  'splitBytes',
  'partitions',
  'params',
  'mappers',
  'verify',
  'verify.copies',
  'skipBadRecords',
] as const;

/** The message at a field, if any; an error deeper than any field belongs to the nearest one. */
export function errorAt(errors: readonly FieldError[], path: string): string {
  return errors.find((error) => nearestField(error.path) === path)?.message ?? '';
}

export function nearestField(path: string): string | null {
  let nearest: string | null = null;
  for (const field of FIELD_PATHS) {
    const within = path === field || path.startsWith(`${field}.`);
    if (within && field.length > (nearest?.length ?? 0)) nearest = field;
  }
  return nearest;
}

// --- Over a reload ------------------------------------------------------------------------------------

const DRAFT_VERSION = 2;

export const draftText = (draft: Draft): string =>
  JSON.stringify({ version: DRAFT_VERSION, draft });

/** Null for anything that this page did not write. */
export function readDraft(text: string | null): Draft | null {
  if (text === null) return null;
  try {
    const { version, draft } = JSON.parse(text) as { version?: unknown; draft?: Partial<Draft> };
    if (version !== DRAFT_VERSION || typeof draft !== 'object' || draft === null) return null;
    const numbers = [
      'from',
      'to',
      'splitItems',
      'splitBytes',
      'partitions',
      'copies',
      'skipBadRecords',
    ];
    const texts = [
      'name',
      'code',
      'dataset',
      'inline',
      'params',
      'stream',
      'streamFrom',
      'streamTo',
    ];
    const fields = draft as Record<string, unknown>;
    const whole =
      numbers.every((name) => fields[name] === null || typeof fields[name] === 'number') &&
      texts.every((name) => typeof fields[name] === 'string') &&
      isOneOf(INPUT_KINDS, draft.inputKind) &&
      isOneOf(FORMATS, draft.format) &&
      isOneOf(MAPPERS, draft.mappers) &&
      isOneOf(VERIFY_MODES, draft.verify);
    return whole ? (draft as Draft) : null;
  } catch {
    return null;
  }
}

const isOneOf = (list: readonly string[], value: unknown): boolean =>
  typeof value === 'string' && list.includes(value);
