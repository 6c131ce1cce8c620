// Objects whose members are named by users. Every object has a `constructor` and a `toString` that nobody put there, and
// `object['__proto__'] = value` adds no member. So such members are read and set by these functions, or kept in a Map.
const { defineProperty, hasOwn, values } = Object;

/** Undefined where the object has no such member of its own. */
export const getOwn = <Value>(
  object: Readonly<Record<string, Value>>,
  name: string,
): Value | undefined => (hasOwn(object, name) ? object[name] : undefined);

/** Plain assignment is many times faster than defining a property, and wrong for one name only. */
export function setOwn<Value>(object: Record<string, Value>, name: string, value: Value): void {
  if (name !== '__proto__') object[name] = value;
  else
    defineProperty(object, name, { value, writable: true, enumerable: true, configurable: true });
}

export const addTo = (counts: Record<string, number>, name: string, by: number): void =>
  setOwn(counts, name, (getOwn(counts, name) ?? 0) + by);

/** A schema would do, but zod's records leave out a member called `__proto__`. */
export const isCounts = (value: unknown): value is Record<string, number> =>
  typeof value === 'object' &&
  value !== null &&
  !Array.isArray(value) &&
  values(value).every((count) => Number.isFinite(count));
