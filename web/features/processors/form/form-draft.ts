// From the processor form to a specification, and back. What only one kind has is in its rules. Pure.
import { setOwn } from '../../../../shared/own.ts';
import type { ProgramError } from '../../../../shared/sandbox/program.ts';
import { ResourceName } from '../../../../shared/schemas/common.ts';
import type { FieldError } from '../../../../shared/schemas/problem.ts';
import {
  type ProcessorKind,
  ProcessorSpec,
  type ProcessorSpecInput,
} from '../../../../shared/schemas/processor.ts';
import type { StreamPoint } from '../../../../shared/schemas/stream.ts';
import { emptyDraft, type ProcessorDraft, words } from '../kinds/draft.ts';
import { ALL_KINDS, rulesOf } from '../kinds/kinds.ts';
import { isTemplate, TEMPLATES } from '../kinds/templates.ts';

export function newDraft(stream = '', kind: ProcessorKind = 'stateless'): ProcessorDraft {
  const draft = { ...emptyDraft(), streams: stream, kind };
  return withTemplate(draft);
}

export function draftOf(name: string, spec: ProcessorSpec): ProcessorDraft {
  const point = spec.startFrom;
  const named = point === 'latest' || point === 'earliest';
  return {
    ...emptyDraft(),
    name,
    kind: spec.kind,
    streams: typeof spec.stream === 'string' ? spec.stream : spec.stream.join(', '),
    types: spec.types?.join(', ') ?? '',
    output: spec.output ?? '',
    code: spec.code ?? '',
    services: Object.entries(spec.services).map(([service, { url }]) => ({ name: service, url })),
    params: JSON.stringify(spec.params, null, 2),
    startFrom: named ? point : 'point',
    startPoint: named ? '0' : String(point),
    ...spec.retry,
    ...rulesOf(spec.kind).draftOf(spec),
  };
}

/** After the kind was changed, or a template chosen: fresh code, unless somebody has written in it. */
export function withTemplate(
  draft: ProcessorDraft,
  id = rulesOf(draft.kind).templateOf(draft),
): ProcessorDraft {
  if (!isTemplate(draft.code)) return draft;
  const { code, services, fields } = TEMPLATES[id];
  const filled: ProcessorDraft = { ...draft, code, services: structuredClone(services) };
  const empty = emptyDraft();
  const every = Object.values(TEMPLATES).map((template) => template.fields);
  const fill = <Name extends keyof ProcessorDraft>(name: Name) => {
    // What somebody wrote stays; what another template filled in goes with it.
    const known = [empty, ...every].map((of) => JSON.stringify(of[name]));
    if (!known.includes(JSON.stringify(draft[name]))) return;
    filled[name] = structuredClone(fields[name] ?? empty[name]);
  };
  for (const name of new Set(every.flatMap((of) => Object.keys(of) as (keyof ProcessorDraft)[])))
    fill(name);
  return filled;
}

export type Specified =
  { ok: true; name: string; spec: ProcessorSpecInput } | { ok: false; errors: FieldError[] };

export function specOf(draft: ProcessorDraft): Specified {
  const errors: FieldError[] = [];
  const rules = rulesOf(draft.kind);
  const name = nameOf(draft.name, errors);
  const streams = words(draft.streams);
  if (streams.length === 0) errors.push({ path: 'stream', message: 'name the stream to read' });
  const params = paramsOf(draft.params, errors);
  const startFrom = startOf(draft, errors);
  const services = servicesOf(draft.services, errors);
  const types = words(draft.types);
  const output = draft.output.trim();
  const common = {
    stream: streams.length === 1 ? streams[0] : streams,
    ...(types.length > 0 && rules.filtersTypes && { types }),
    ...(output !== '' && { output }),
    ...(Object.keys(services).length > 0 && { services }),
    params,
    retry: { maxAttempts: draft.maxAttempts, baseMs: draft.baseMs, maxMs: draft.maxMs },
    startFrom,
  };
  const spec = { ...common, kind: draft.kind, ...rules.partOf(draft, streams, errors) };
  const parsed = ProcessorSpec.safeParse(spec);
  if (!parsed.success) {
    for (const { path, message } of parsed.error.issues) {
      const at = path.join('.');
      const field = fieldOf(at);
      // Said already, better.
      if (field !== null && errors.some((error) => fieldOf(error.path) === field)) continue;
      const missing = message.startsWith('Invalid input: expected number');
      errors.push({ path: at, message: missing ? 'a number is needed' : message });
    }
  }
  if (errors.length > 0 || !parsed.success) return { ok: false, errors };
  // As written, without what follows from defaults.
  return { ok: true, name, spec: spec as ProcessorSpecInput };
}

/** A page of this site lives at that address. */
const TAKEN = 'new';

function nameOf(text: string, errors: FieldError[]): string {
  const name = ResourceName.safeParse(text.trim());
  const message =
    text.trim() === ''
      ? 'give it a name'
      : name.success
        ? name.data === TAKEN && 'this page has that address'
        : name.error.issues[0]?.message;
  if (message) errors.push({ path: 'name', message });
  return text.trim();
}

function paramsOf(text: string, errors: FieldError[]): ProcessorSpecInput['params'] {
  if (text.trim() === '') return {};
  try {
    return JSON.parse(text) as ProcessorSpecInput['params'];
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    errors.push({ path: 'params', message });
    return {};
  }
}

function startOf({ startFrom, startPoint }: ProcessorDraft, errors: FieldError[]): StreamPoint {
  if (startFrom !== 'point') return startFrom;
  const text = startPoint.trim();
  if (/^\d+$/.test(text)) return Number(text);
  const at = new Date(text);
  if (text !== '' && !Number.isNaN(at.getTime())) return at.toISOString();
  errors.push({
    path: 'startFrom',
    message: 'an offset such as 120, or a time such as 2026-11-25T08:00Z',
  });
  return 'latest';
}

function servicesOf(services: ProcessorDraft['services'], errors: FieldError[]) {
  const byName: Record<string, { url: string }> = {};
  for (const { name, url } of services) {
    if (name.trim() === '' && url.trim() === '') continue;
    if (name.trim() === '')
      errors.push({ path: 'services', message: `name the service at ${url}` });
    else if (Object.hasOwn(byName, name.trim()))
      errors.push({ path: 'services', message: `there are two services named ${name.trim()}` });
    else setOwn(byName, name.trim(), { url: url.trim() });
  }
  return byName;
}

/** Paths that have a field of their own; other problems are shown below the form. */
const FIELD_PATHS = [
  'name',
  'kind',
  'stream',
  'types',
  'output',
  'code',
  'services',
  'params',
  'startFrom',
  'retry.maxAttempts',
  'retry.baseMs',
  'retry.maxMs',
  ...ALL_KINDS.flatMap(({ fields }) => fields),
];

/** The field that an error belongs to: an error deeper than any field belongs to the nearest one. */
export function fieldOf(path: string): string | null {
  const found = FIELD_PATHS.filter((field) => path === field || path.startsWith(`${field}.`));
  return found.sort((a, b) => b.length - a.length)[0] ?? null;
}

/** Errors in the program, as the edge tells them: "line 3, column 7: …" at `code` or `job.code`. */
export function marksOf(errors: readonly FieldError[]): ProgramError[] {
  return errors.flatMap(({ path, message }) => {
    const place = /^line (\d+), column (\d+): (.*)$/s.exec(message);
    if (!place || !/(^|\.)code$/.test(path)) return [];
    return [{ line: Number(place[1]), column: Number(place[2]), message: place[3] ?? message }];
  });
}
