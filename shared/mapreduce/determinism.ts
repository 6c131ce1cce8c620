// Makes user code repeatable: the same split gives the same bytes on every machine, which is what digests
// compare. Random numbers are seeded by program and split; the clock stands at the job's creation; times
// are UTC. Locales (Intl) are left as they are: a program that formats by locale may disagree.

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

const RealDate = Date;

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
  class FixedDate extends RealDate {
    constructor(...parts: unknown[]) {
      if (parts.length === 0) super(nowMs);
      else if (parts.length === 1) super(parts[0] as string | number | Date);
      else super(RealDate.UTC(...(parts as [number, number])));
    }
    static override now(): number {
      return nowMs;
    }
    override getTimezoneOffset(): number {
      return 0;
    }
  }
  // Local getters and setters read as UTC: a volunteer's time zone must not show in results.
  const prototype = FixedDate.prototype as unknown as Record<string, unknown>;
  for (const name of Object.getOwnPropertyNames(RealDate.prototype)) {
    const utcName = name.replace(/^(get|set)(?!UTC|Time|TimezoneOffset)/, '$1UTC');
    if (utcName === name) continue;
    const utc = (RealDate.prototype as unknown as Record<string, unknown>)[utcName];
    if (typeof utc === 'function') prototype[name] = utc;
  }
  prototype['toString'] = RealDate.prototype.toUTCString;
  // Called without `new`, Date gives a text.
  return new Proxy(FixedDate, {
    apply: () => new FixedDate(nowMs).toUTCString(),
  }) as unknown as DateConstructor;
}
