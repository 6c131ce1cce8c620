// Pieces that several resources share: names, ids, lists, JSON.
import * as z from 'zod';
import { LIST_DEFAULT_ITEMS, LIST_MAX_ITEMS, NAME_MAX_CHARS } from '../limits.ts';

export type Json = null | boolean | number | string | Json[] | { [name: string]: Json };

export const JsonValue = z.json().meta({ id: 'Json', description: 'any JSON value' });

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
