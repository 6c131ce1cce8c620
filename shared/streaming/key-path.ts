// The key that an event's state is kept under: what lies at a path into it, or at several, joined. The same words
// everywhere, since a wrong path is the most common mistake. Pure.
import { STATE_KEY_MAX_BYTES } from '../limits.ts';
import { utf8Length } from '../sandbox/strict-json.ts';
import type { TaskError } from '../schemas/job.ts';
import type { KeyPath } from '../schemas/processor.ts';

export type KeyTaken = { ok: true; key: string } | { ok: false; error: TaskError };

/** Takes the key out of an event, as it was read from JSON. */
export type TakeKey = (event: unknown) => KeyTaken;

/** Several parts are joined with `|`; a `|` or `\` within one is written with a `\` before it. */
export function keyTaker(path: KeyPath): TakeKey {
  const paths = [path].flat().map((text) => ({ text, names: text.split('.') }));
  const [only] = paths;
  if (paths.length === 1 && only) return (event) => within(partAt(event, only));
  return (event) => {
    const parts: string[] = [];
    for (const one of paths) {
      const part = partAt(event, one);
      if (!part.ok) return part;
      parts.push(part.key.replace(/[|\\]/g, '\\$&'));
    }
    return within({ ok: true, key: parts.join('|') });
  };
}

interface Path {
  text: string;
  names: string[];
}

function partAt(event: unknown, { text, names }: Path): KeyTaken {
  let value = event;
  for (const name of names) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) {
      return badKey(`there is nothing at "${text}"`);
    }
    value = (value as Record<string, unknown>)[name];
  }
  switch (typeof value) {
    case 'string':
      return { ok: true, key: value.isWellFormed() ? value : value.toWellFormed() };
    case 'number':
    case 'boolean':
      return { ok: true, key: String(value) };
    default:
      return badKey(`there is ${nameOf(value)} at "${text}"`);
  }
}

function within(taken: KeyTaken): KeyTaken {
  if (!taken.ok || taken.key.length * 3 <= STATE_KEY_MAX_BYTES) return taken;
  const bytes = utf8Length(taken.key);
  if (bytes <= STATE_KEY_MAX_BYTES) return taken;
  return refused(`the event’s key has ${bytes} bytes, the most is ${STATE_KEY_MAX_BYTES}`);
}

const nameOf = (value: unknown) =>
  value === null ? 'null' : Array.isArray(value) ? 'a list' : 'an object';

const badKey = (found: string): KeyTaken =>
  refused(`the event has no key: ${found}, where a text, a number, true or false should be`);

const refused = (message: string): KeyTaken => ({ ok: false, error: { code: 'bad_key', message } });
