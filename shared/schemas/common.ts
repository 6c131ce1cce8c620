// Pieces that several resources share: names, ids, lists, JSON.
import * as z from 'zod';
import { JSON_DEPTH_MAX, LIST_DEFAULT_ITEMS, LIST_MAX_ITEMS, NAME_MAX_CHARS } from '../limits.ts';

export type Json = null | boolean | number | string | Json[] | { [name: string]: Json };

/** Not z.json(), which leaves out members called `__proto__`. The value itself is handed on, not a copy. */
export const JsonValue = (
  z.unknown().refine((value) => isJson(value, 0), {
    message: 'has to be JSON, with finite numbers',
  }) as unknown as z.ZodType<Json, Json>
).meta({ id: 'Json', description: 'any JSON value' });

/** Throws a RangeError, as a stack does, when the value is nested too deeply. */
function isJson(value: unknown, depth: number): boolean {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return true;
  if (typeof value === 'number') return Number.isFinite(value);
  if (typeof value !== 'object' || !isPlain(value)) return false;
  if (depth > JSON_DEPTH_MAX) throw new RangeError('nested too deeply');
  return Object.values(value).every((member) => isJson(member, depth + 1));
}

/** Neither a Date nor any other object with a class of its own. */
function isPlain(value: object): boolean {
  if (Array.isArray(value)) return true;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || prototype === Object.prototype;
}

/** Members with names that users choose. A z.record leaves out one called `__proto__`: here it is refused. */
export const namedBy = <Name extends z.core.$ZodRecordKey, Value extends z.ZodType>(
  name: Name,
  value: Value,
) => z.preprocess(withoutProto<z.input<z.ZodRecord<Name, Value>>>, z.record(name, value));

function withoutProto<Value>(value: Value, ctx: z.core.$RefinementCtx): Value {
  if (typeof value === 'object' && value !== null && Object.hasOwn(value, '__proto__')) {
    const message = 'this name means something else in JavaScript';
    ctx.addIssue({ code: 'custom', message, path: ['__proto__'] });
  }
  return value;
}

export const ResourceName = z
  .string()
  .min(1)
  .max(NAME_MAX_CHARS)
  .regex(
    /^[A-Za-z0-9][A-Za-z0-9._-]*$/,
    'letters, digits, dot, dash and underscore, beginning with a letter or digit',
  );

const DIGITS = /^\d{1,16}$/;

/** A whole number as text: digits and nothing else. Coercion would read an empty text as 0. */
export const digits = (min: number, max = Number.MAX_SAFE_INTEGER) =>
  z.preprocess(
    (text) => (typeof text === 'string' && DIGITS.test(text) ? Number(text) : text),
    z.number('a whole number, written with digits only').int().min(min).max(max),
  );

/** The same, left as text: places that a client hands back as it got them. */
export const Digits = z.string().regex(DIGITS, 'a whole number, written with digits only');

export const ListQuery = z.object({
  limit: digits(1, LIST_MAX_ITEMS).default(LIST_DEFAULT_ITEMS),
  cursor: z.string().max(1_000).optional(),
});

/** Of lists whose cursor is a number. */
export const NumberedQuery = ListQuery.extend({ cursor: Digits.optional() });

export function listOf<Item extends z.ZodType>(item: Item) {
  return z.object({ items: z.array(item), next: z.string().nullable() });
}

export interface List<Item> {
  items: Item[];
  next: string | null;
}

export const IsoTime = z.string().meta({ format: 'date-time' });

/** A place in a stream: an offset, a time, or an end of it. */
export const StreamPoint = z.union([
  z.literal('earliest'),
  z.literal('latest'),
  z.number().int().min(0),
  z.iso.datetime({ offset: true }),
]);
export type StreamPoint = z.infer<typeof StreamPoint>;
