// JSON read together with where everything stands, so that a mistake can be shown at its place while somebody types,
// and one text in it replaced without touching the rest. Names that come twice are mistakes here: the last one would
// silently win. Pure.
import type { Json } from '../../../../../shared/schemas/common.ts';

/** Offsets in the text, the end not included. */
export interface Place {
  from: number;
  to: number;
}

export type Path = readonly PropertyKey[];

export type JsonRead = { ok: true; value: Json; places: Places } | { ok: false; problem: Mistake };

interface Mistake {
  message: string;
  at: number;
}

/** Values that lie in each other; JSON.parse takes more, and a definition needs few. */
const DEPTH_MAX = 200;

export class Places {
  readonly #values = new Map<string, Place>();
  readonly #names = new Map<string, Place>();

  add(path: Path, value: Place, name: Place | null): void {
    this.#values.set(keyOf(path), value);
    if (name) this.#names.set(keyOf(path), name);
  }

  /** Of the value itself; null: there is none. */
  value(path: Path): Place | null {
    return this.#values.get(keyOf(path)) ?? null;
  }

  /** Of the name in an object, or of an item in a list. */
  name(path: Path): Place | null {
    return this.#names.get(keyOf(path)) ?? this.value(path);
  }

  /** Of what stands there or, where nothing does, of the nearest thing around it. */
  nearest(path: Path): Place {
    for (let length = path.length; length >= 0; length--) {
      const found = this.name(path.slice(0, length));
      if (found) return found;
    }
    return { from: 0, to: 0 };
  }
}

const keyOf = (path: Path) => JSON.stringify(path.map(String));

export function readJson(text: string): JsonRead {
  const reader = new Reader(text);
  try {
    const value = reader.read();
    return { ok: true, value, places: reader.places };
  } catch (error) {
    if (error instanceof Stop) return { ok: false, problem: error.mistake };
    throw error;
  }
}

class Stop extends Error {
  readonly mistake: Mistake;
  constructor(message: string, at: number) {
    super(message);
    this.mistake = { message, at };
  }
}

class Reader {
  readonly places = new Places();
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  read(): Json {
    const value = this.#value([], null);
    if (this.#at < this.#text.length) {
      this.#refuse(`the definition ends before ${this.#here()}`);
    }
    return value;
  }

  #value(path: Path, name: Place | null): Json {
    if (path.length > DEPTH_MAX) this.#refuse(`at most ${DEPTH_MAX} values in each other`);
    this.#skip();
    const from = this.#at;
    const value = this.#bare(path);
    this.places.add(path, { from, to: this.#at }, name);
    this.#skip();
    return value;
  }

  #bare(path: Path): Json {
    const next = this.#text[this.#at];
    if (next === '{') return this.#object(path);
    if (next === '[') return this.#list(path);
    if (next === '"') return this.#string();
    const word = /^[\w+.-]+/.exec(this.#text.slice(this.#at, this.#at + WORD_MAX_CHARS))?.[0];
    if (word === undefined) this.#refuse(`a value is expected, not ${this.#here()}`);
    if (!WORDS.test(word)) this.#refuse(`${word} is no JSON value; texts stand in "quotes"`);
    this.#at += word.length;
    return JSON.parse(word) as Json;
  }

  #object(path: Path): Json {
    const fields: [string, Json][] = [];
    const seen = new Set<string>();
    this.#items('}', () => {
      if (this.#text[this.#at] !== '"') {
        this.#refuse(`a name in "quotes" is expected, not ${this.#here()}`);
      }
      const from = this.#at;
      const name = this.#string();
      if (seen.has(name)) this.#refuse(`${JSON.stringify(name)} stands here twice`, from);
      seen.add(name);
      const place = { from, to: this.#at };
      this.#skip();
      this.#take(':');
      fields.push([name, this.#value([...path, name], place)]);
    });
    // Also `__proto__` becomes a field of its own this way.
    return Object.fromEntries(fields);
  }

  #list(path: Path): Json {
    const items: Json[] = [];
    this.#items(']', () => items.push(this.#value([...path, items.length], null)));
    return items;
  }

  #items(end: '}' | ']', item: () => void): void {
    this.#at++;
    this.#skip();
    if (this.#text[this.#at] === end) {
      this.#at++;
      return;
    }
    for (;;) {
      item();
      this.#skip();
      const next = this.#text[this.#at];
      if (next !== ',' && next !== end) {
        this.#refuse(`"," or "${end}" is expected, not ${this.#here()}`);
      }
      const comma = this.#at++;
      if (next === end) return;
      this.#skip();
      if (this.#text[this.#at] === end) this.#refuse('nothing follows this comma', comma);
    }
  }

  #string(): string {
    const from = this.#at;
    for (let at = from + 1; at < this.#text.length; at++) {
      const letter = this.#text[at] as string;
      if (letter === '"') {
        this.#at = at + 1;
        return this.#decoded(from);
      }
      if (letter === '\\') at++;
      else if (letter < ' ') {
        this.#refuse('a text stays on its line: a new line in it is written \\n', at);
      }
    }
    return this.#refuse('this text has no end: a " is missing', from);
  }

  #decoded(from: number): string {
    const raw = this.#text.slice(from, this.#at);
    try {
      return JSON.parse(raw) as string;
    } catch {
      const bad = BAD_ESCAPE.exec(raw.replace(/\\\\/g, '  '));
      return this.#refuse('no such escape in a text', from + (bad?.index ?? 0));
    }
  }

  #take(expected: string): void {
    if (this.#text[this.#at] !== expected) {
      this.#refuse(`"${expected}" is expected, not ${this.#here()}`);
    }
    this.#at++;
  }

  #skip(): void {
    while (BLANK.has(this.#text[this.#at] ?? '')) this.#at++;
  }

  #here(): string {
    const rest = this.#text.slice(this.#at, this.#at + 12);
    return rest === '' ? 'the end' : (/^[\w$]+|^./u.exec(rest)?.[0] ?? 'the end of the line');
  }

  #refuse(message: string, at = this.#at): never {
    throw new Stop(message, at);
  }
}

const WORD_MAX_CHARS = 400;
const WORDS = /^(?:true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?)$/;
const BAD_ESCAPE = /\\(?!["\\/bfnrt]|u[\da-fA-F]{4})/;
const BLANK: ReadonlySet<string> = new Set([' ', '\n', '\r', '\t']);

/** Line and column, both from 1. */
export function lineColumn(text: string, at: number): { line: number; column: number } {
  const before = text.slice(0, at);
  const lineStart = before.lastIndexOf('\n') + 1;
  return { line: before.split('\n').length, column: at - lineStart + 1 };
}

/** Where a character of a decoded text stands in the JSON: escapes are longer than what they mean. */
export function withinString(text: string, { from, to }: Place, index: number): number {
  let at = from + 1;
  for (let seen = 0; seen < index && at < to - 1; seen++) {
    if (text[at] !== '\\') at++;
    else at += text[at + 1] === 'u' ? 6 : 2;
  }
  return at;
}

/** The text with one value in it written anew. */
export const replaceAt = (text: string, { from, to }: Place, value: Json): string =>
  text.slice(0, from) + JSON.stringify(value) + text.slice(to);
