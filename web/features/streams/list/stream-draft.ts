// What the form of a new stream holds, and the specification that it becomes. Numbers may be null while
// somebody types. Pure.
import type { FieldError } from '../../../../shared/schemas/problem.ts';
import {
  STREAM_DEFAULTS,
  StreamName,
  StreamSpec,
  type StreamSpec as Spec,
} from '../../../../shared/schemas/stream.ts';

export interface StreamDraft {
  name: string;
  partitions: number | null;
  retentionHours: number | null;
  /** Kibibytes: a payload above goes to R2. */
  claimCheckKib: number | null;
}

export type Specified =
  { ok: true; name: string; spec: Spec } | { ok: false; errors: FieldError[] };

const KIB = 1024;

export const emptyStreamDraft = (): StreamDraft => ({
  name: '',
  partitions: STREAM_DEFAULTS.partitions,
  retentionHours: STREAM_DEFAULTS.retention.hours,
  claimCheckKib: STREAM_DEFAULTS.claimCheckBytes / KIB,
});

export function streamSpecOf(draft: StreamDraft, taken: readonly string[] = []): Specified {
  const errors: FieldError[] = [];
  const name = StreamName.safeParse(draft.name.trim());
  if (!name.success)
    errors.push({
      path: 'name',
      message: draft.name.trim() === '' ? 'give it a name' : (name.error.issues[0]?.message ?? ''),
    });
  else if (taken.includes(name.data))
    errors.push({ path: 'name', message: 'there is a stream of this name already' });
  const spec = StreamSpec.safeParse({
    partitions: draft.partitions,
    retention: { hours: draft.retentionHours },
    claimCheckBytes: draft.claimCheckKib === null ? null : Math.round(draft.claimCheckKib * KIB),
  });
  if (!spec.success)
    errors.push(
      ...spec.error.issues.map(({ path, message }) => ({ path: path.join('.'), message })),
    );
  if (!name.success || !spec.success || errors.length > 0) return { ok: false, errors };
  return { ok: true, name: name.data, spec: spec.data };
}
