// Makes user code repeatable: the same split gives the same bytes on every machine, which is what digests
// compare. Random numbers are seeded by program and split; the clock stands at the job's creation; times
// are UTC and dates are written as in the United States, wherever the volunteer lives. Intl itself is left
// as it is: a program that uses it without naming locale and time zone may disagree with itself.
import { RealDate } from './intrinsics.ts';

/** sfc32, a small fast generator of good quality (C. Doty-Humphrey, PractRand), seeded from text. */
export function seededRandom(seed: string): () => number {
  // Four words from FNV-1a over the seed, each with another start.
  const word = (start: number): number => {
    let hash = start;
    for (let i = 0; i < seed.length; i++) hash = Math.imul(hash ^ seed.charCodeAt(i), 0x01000193);
    return hash >>> 0;
  };
  let a = word(0x811c9dc5);
  let b = word(0x9e3779b9);
  let c = word(0x85ebca6b);
  let counter = word(0xc2b2ae35);
  const next = () => {
    const t = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (c << 21) | (c >>> 11);
    c = (c + t) | 0;
    return (t >>> 0) / 4294967296;
  };
  for (let i = 0; i < 12; i++) next();
  return next;
}

interface Realm {
  Math: { random: () => number };
  Date: DateConstructor;
  performance?: { now?: () => number };
  crypto?: object;
}

/** Patches the realm that user code runs in, anew for each task. */
export function installDeterminism(realm: Realm, random: () => number, nowMs: number): void {
  realm.Math.random = random;
  realm.Date = fixedDate(nowMs);
  try {
    if (realm.performance) realm.performance.now = () => 0;
  } catch {
    // Read-only in some realms, where the clock is coarse anyway.
  }
  try {
    Object.defineProperty(realm, 'crypto', { value: undefined, configurable: true });
  } catch {
    // Not to be removed: then its random numbers are the program's own risk.
  }
}

function fixedDate(nowMs: number): DateConstructor {
  const timeOf = (parts: unknown[]): number => {
    if (parts.length === 0) return nowMs;
    if (parts.length > 1) return RealDate.UTC(...(parts as [number, number]));
    const [value] = parts;
    if (typeof value === 'string') return parseUtc(value);
    return new RealDate(value as number | Date).getTime();
  };
  // A function, since `Date()` without `new` gives a text.
  function FixedDate(this: unknown, ...parts: unknown[]): unknown {
    if (!new.target) return new Fixed().toString();
    return Reflect.construct(RealDate, [timeOf(parts)], new.target) as unknown;
  }
  const Fixed = FixedDate as unknown as DateConstructor;
  const prototype = Object.create(RealDate.prototype) as Date & Record<string, unknown>;
  const define = (target: object, name: string, value: unknown) =>
    Object.defineProperty(target, name, { value, writable: true, configurable: true });
  // Local getters and setters read as UTC: a volunteer's time zone must not show in results.
  for (const name of Object.getOwnPropertyNames(RealDate.prototype)) {
    const utcName = name.replace(/^(get|set)(?!UTC|Time|TimezoneOffset)/, '$1UTC');
    const utc: unknown = Reflect.get(RealDate.prototype, utcName);
    if (utcName !== name && typeof utc === 'function') define(prototype, name, utc);
  }
  for (const name of ['toLocaleString', 'toLocaleDateString', 'toLocaleTimeString'] as const) {
    define(prototype, name, function (this: Date, locale?: string, options?: object) {
      return RealDate.prototype[name].call(this, locale ?? 'en-US', {
        timeZone: 'UTC',
        ...options,
      });
    });
  }
  // "Tue, 14 Nov 2023 22:13:20 GMT" in the other order of the parts.
  const dateOf = (date: Date) =>
    date.toUTCString().replace(/^(\w+), (\d+) (\w+) (-?\d+) .*$/, '$1 $3 $2 $4');
  const timeText = (date: Date) =>
    date.toUTCString().replace(/^.* (\S+) GMT$/, '$1 GMT+0000 (Coordinated Universal Time)');
  define(prototype, 'toDateString', function (this: Date) {
    return dateOf(this);
  });
  define(prototype, 'toTimeString', function (this: Date) {
    return timeText(this);
  });
  define(prototype, 'toString', function (this: Date) {
    return Number.isNaN(this.getTime()) ? 'Invalid Date' : `${dateOf(this)} ${timeText(this)}`;
  });
  define(prototype, 'getTimezoneOffset', () => 0);
  define(prototype, 'getYear', function (this: Date) {
    return this.getUTCFullYear() - 1900;
  });
  define(prototype, 'constructor', FixedDate);
  FixedDate.prototype = prototype; // A function's own `prototype` cannot be redefined, only written.
  define(FixedDate, 'name', 'Date');
  define(FixedDate, 'length', 7);
  define(FixedDate, 'now', () => nowMs);
  define(FixedDate, 'parse', (text: unknown) => parseUtc(String(text)));
  define(FixedDate, 'UTC', RealDate.UTC);
  return Fixed;
}

/** A zone, or an offset behind a time: "Z", "GMT", "EST", "+0200", "+02:00", each perhaps with "(a name)". */
const ZONE =
  /(?:\b(?:UTC?|GMT|[ECMP][SD]T)|\dZ|:\d\d(?:\.\d+)? ?[+-]\d\d:?\d\d|[+-]\d{4})\s*(?:\([^)]*\)\s*)?$/i;
/** The one form without a zone that is UTC by the standard. */
const DATE_ONLY = /^(?:\d{4}|[+-]\d{6})(?:-\d\d(?:-\d\d)?)?$/;
const ISO_TIME = /^(?:\d{4}|[+-]\d{6})-\d\d(?:-\d\d)?T\d\d:\d\d(?::\d\d(?:\.\d+)?)?$/;

/** A text without a zone means UTC here, where the engine would take the machine's. */
function parseUtc(text: string): number {
  const trimmed = text.trim();
  if (ZONE.test(trimmed) || DATE_ONLY.test(trimmed)) return RealDate.parse(text);
  return RealDate.parse(trimmed + (ISO_TIME.test(trimmed) ? 'Z' : ' UTC'));
}
