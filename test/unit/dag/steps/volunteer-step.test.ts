// A volunteer step there and back without a network: lines of the job's input, the step's function as a map, and outputs
// put together again.
import { describe, expect, it } from 'vitest';
import { base64Length, base64Of, bytesOfBase64 } from '../../../../shared/base64.ts';
import { compileStep } from '../../../../shared/dag/program.ts';
import { volunteerKey, type VolunteerRecord } from '../../../../shared/dag/volunteer-record.ts';
import { stepMap } from '../../../../shared/dag/volunteer-run.ts';
import {
  MIB,
  RECORD_MAX_BYTES,
  STEP_INLINE_MAX_BYTES,
  VALUE_MAX_BYTES,
  VOLUNTEER_CHUNK_BYTES,
  VOLUNTEER_INPUT_MAX_BYTES,
  VOLUNTEER_OUTPUT_MAX_BYTES,
} from '../../../../shared/limits.ts';
import { contextOf, type ProgramFactory } from '../../../../shared/mapreduce/map-run.ts';
import { programSource, withMember } from '../../../../shared/sandbox/program-text.ts';
import {
  ALLOWED_GLOBALS,
  BROWSER_GLOBALS,
  needsBrowser,
} from '../../../../shared/sandbox/realm.ts';
import { SideOutput } from '../../../../shared/sandbox/side-output.ts';
import type { MapPlan, StepPlan } from '../../../../shared/mapreduce/task.ts';
import type { Claim } from '../../../../shared/schemas/claim.ts';
import {
  tokensIn,
  type VolunteerLines,
  volunteerLines,
} from '../../../../worker/jobs/dag/steps/volunteer-lines.ts';
import {
  BadOutputError,
  collectOutputs,
  type Line,
} from '../../../../worker/jobs/dag/steps/volunteer-outputs.ts';

const PLAN: StepPlan = {
  run: 'run_1',
  step: 'own',
  attempt: 2,
  timeoutMs: 60_000,
  browser: false,
};
const claim = (token: string, bytes: number): Claim => ({
  token,
  bytes,
  sha256: 'f'.repeat(64),
  contentType: 'image/png',
});
const claims = (...all: Claim[]) => new Map(all.map((one) => [one.token, one]));

function factoryOf(code: string, given: unknown): ProgramFactory {
  const compiled = compileStep(code);
  if (!compiled.ok) throw new Error(JSON.stringify(compiled.errors));
  const text = withMember(compiled.text, `given: ${JSON.stringify(JSON.stringify(given))}`);
  expect(programSource(text)).toBe(programSource(compiled.text));
  return new Function(`return ${text}`)() as ProgramFactory;
}

const CONTEXT = contextOf(
  {
    plan: { programHash: '', params: null } as MapPlan,
    task: { task: 0, split: { kind: 'integers', from: 0, to: 1 } },
  },
  new SideOutput(),
);

interface Emitted {
  key: string;
  value: unknown;
  /** Of several that emit the same key. */
  values?: unknown[];
}

async function mapped(
  code: string,
  records: VolunteerRecord[] = [{ item: null, payloads: {} }],
  given: unknown = { input: { n: 1 }, steps: {} },
  plan: Partial<StepPlan> = {},
): Promise<Emitted[]> {
  const emitted: Emitted[] = [];
  const map = stepMap(factoryOf(code, given)(), { ...PLAN, ...plan }, () => undefined);
  const emit = (key: unknown, value: unknown) => {
    expect(JSON.stringify(value).length).toBeLessThanOrEqual(VALUE_MAX_BYTES);
    emitted.push({ key: String(key), value: JSON.parse(JSON.stringify(value)) as unknown });
  };
  for (const record of records) await map(record, emit, CONTEXT);
  return emitted;
}

async function* linesOf(emitted: readonly Emitted[]): AsyncGenerator<Line> {
  for (const [i, line] of emitted.entries())
    yield { key: line.key, value: line.values ?? [line.value], end: i + 1 };
}

interface Stored {
  bytes: Uint8Array;
  contentType: string;
}

async function collected(emitted: readonly Emitted[], units: number, first = 0) {
  const stored: Stored[] = [];
  const store = async (chunks: AsyncIterable<Uint8Array>, bytes: number, contentType: string) => {
    const whole = new Uint8Array(bytes);
    let at = 0;
    for await (const chunk of chunks) {
      whole.set(chunk, at);
      at += chunk.length;
    }
    stored.push({ bytes: whole, contentType });
    return claim(`claim_${stored.length}`, bytes);
  };
  const answer = await collectOutputs(linesOf(emitted), { first, units }, store);
  return { ...answer, stored };
}

const valueOf = async (code: string, ...more: unknown[]): Promise<unknown> => {
  const [record, given] = more as [VolunteerRecord | undefined, unknown];
  const { outputs } = await collected(await mapped(code, record && [record], given), 1);
  const [output] = outputs;
  return output?.kind === 'json' ? (JSON.parse(output.json) as unknown) : output;
};

describe('base64', () => {
  it('gives bytes back, of every length and value', () => {
    for (const length of [0, 1, 2, 3, 4, 255, 12_287, 12_288, 12_289, 100_000]) {
      const bytes = Uint8Array.from({ length }, (_, i) => (i * 31 + (i >> 8)) & 255);
      const text = base64Of(bytes);
      expect(text).toBe(Buffer.from(bytes).toString('base64'));
      expect(text.length).toBe(base64Length(length));
      expect(bytesOfBase64(text)).toEqual(bytes);
    }
  });
});

describe('the function of a volunteer step', () => {
  it('gets what a step at the edge gets', async () => {
    const code = `export default ({ input, steps, item }, ctx) => {
  const { run, step, attempt, item: at } = ctx;
  return { input, steps, item, run, step, attempt, at };
}`;
    const given = { input: { n: 1 }, steps: { before: [1, 'Grüße'], skipped: null } };
    const record = { item: 3, value: { size: 40 }, payloads: {} };
    const emitted = await mapped(code, [record], given);
    expect(emitted.map(({ key }) => key)).toEqual([volunteerKey(3, 0)]);
    const { outputs } = await collected(emitted, 4, 3);
    expect(outputs).toEqual([
      {
        kind: 'json',
        json: JSON.stringify({
          ...given,
          item: { size: 40 },
          ...{ run: 'run_1', step: 'own', attempt: 2, at: 3 },
        }),
      },
    ]);
    expect(await valueOf('export default (given, ctx) => [Object.keys(given), ctx.item]')).toEqual([
      ['input', 'steps'],
      null,
    ]);
  });

  it('gets a copy of the input for each item', async () => {
    const code = 'export default ({ input, item }) => { input.n += item; return input.n }';
    const records = [10, 20].map((value, item) => ({ item, value, payloads: {} }));
    const { outputs } = await collected(await mapped(code, records), 2);
    expect(outputs).toEqual([
      { kind: 'json', json: '11' },
      { kind: 'json', json: '21' },
    ]);
  });

  it('reads payloads that came along, of a claim or an event, and is told of others', async () => {
    const code = `export default async ({ input }, ctx) => {
  const [one, other] = [await ctx.payload(input.one), await ctx.payload({ claim: input.one })];
  const missing = await ctx.payload(input.two).catch((error) => error.message);
  const none = await ctx.payload(7).catch((error) => error.message);
  const call = await ctx.call('users', 'u1').catch((error) => error.message);
  return { bytes: [...one, ...other], isBytes: one instanceof Uint8Array, missing, none, call };
}`;
    const given = { input: { one: claim('claim_1', 3), two: claim('claim_2', 9) }, steps: {} };
    const record = { item: null, payloads: { claim_1: base64Of(Uint8Array.of(1, 2, 255)) } };
    expect(await valueOf(code, record, given)).toEqual({
      bytes: [1, 2, 255, 1, 2, 255],
      isBytes: true,
      missing: expect.stringContaining('claim_2 did not come along') as string,
      none: expect.stringContaining('takes a claim') as string,
      call: expect.stringContaining('no network') as string,
    });
  });

  it('returns JSON, small and large, and bytes in any form, in order with the log', async () => {
    const code = `export default async ({ item }, ctx) => {
  ctx.log('item', item);
  const bytes = Uint8Array.from({ length: 2_000_000 }, (_, i) => i * 7 + item);
  switch (item) {
    case 0: return undefined;
    case 1: return 'ü'.repeat(200_000);
    case 2: return bytes;
    case 3: return { bytes: bytes.buffer, contentType: 'image/webp' };
    case 4: return new Blob(['a', 'b'], { type: 'text/plain' });
    case 5: return { bytes: new Blob([]), contentType: 'image/png' };
    default: return new Blob(['c']);
  }
}`;
    const records = Array.from({ length: 7 }, (_, item) => ({ item, value: item, payloads: {} }));
    const emitted = await mapped(code, records);
    expect([...emitted].sort((a, b) => (a.key < b.key ? -1 : 1))).toEqual(emitted);
    const { outputs, stored, log, end } = await collected(emitted, 7);
    expect(end).toBe(null);
    expect(log).toEqual(records.map(({ item }) => `item ${item}`));
    expect(outputs.map(({ json }) => json)).toEqual([
      'null',
      true,
      false,
      false,
      false,
      false,
      false,
    ]);
    const bytesOf = (item: number) =>
      Uint8Array.from({ length: 2_000_000 }, (_, i) => i * 7 + item);
    expect(stored.map(({ contentType }) => contentType)).toEqual([
      'application/json',
      'application/octet-stream',
      'image/webp',
      'text/plain',
      'image/png',
      'application/octet-stream',
    ]);
    expect(new TextDecoder().decode(stored[0]?.bytes)).toBe(`"${'ü'.repeat(200_000)}"`);
    expect(Buffer.compare(stored[1]?.bytes as Uint8Array, bytesOf(2))).toBe(0);
    expect(Buffer.compare(stored[2]?.bytes as Uint8Array, bytesOf(3))).toBe(0);
    expect(stored.slice(3).map(({ bytes }) => new TextDecoder().decode(bytes))).toEqual([
      'ab',
      '',
      'c',
    ]);
  });

  it('keeps JSON in the head up to the bound that lies in a run', async () => {
    const code = (chars: number) => `export default () => 'x'.repeat(${chars})`;
    const fits = await mapped(code(STEP_INLINE_MAX_BYTES - 2));
    expect(fits.map(({ value }) => (value as { kind: string }).kind)).toEqual(['json']);
    const larger = await mapped(code(STEP_INLINE_MAX_BYTES - 1));
    expect(larger).toHaveLength(2);
    expect(larger[0]?.value).toMatchObject({ kind: 'bytes', json: true });
  });

  it('fails for what is no JSON, for too many bytes, and for a promise that nothing moves', async () => {
    await expect(mapped('export default () => new Map()')).rejects.toMatchObject({
      code: 'bad_value',
    });
    const large = `export default () => new Uint8Array(${VOLUNTEER_OUTPUT_MAX_BYTES + 1})`;
    await expect(mapped(large)).rejects.toMatchObject({ code: 'memory' });
    await expect(mapped('export default () => new Promise(() => {})')).rejects.toMatchObject({
      code: 'program_threw',
    });
    await expect(
      mapped('export default async () => { throw new Error("no") }', undefined, undefined, {
        browser: true,
      }),
    ).rejects.toThrow('no');
  });

  it('in a browser, ends after its time and says meanwhile that it is alive', async () => {
    const signs: number[] = [];
    const program = factoryOf('export default () => new Promise(() => {})', { steps: {} })();
    const plan = { ...PLAN, browser: true, timeoutMs: 2_050 };
    const map = stepMap(program, plan, () => void signs.push(1));
    const running = map({ item: null, payloads: {} }, () => undefined, CONTEXT);
    await expect(running).rejects.toMatchObject({ code: 'deadline' });
    expect(signs).toEqual([1]);
  });
});

describe('what needs a browser', () => {
  it('is told by names in the code, whole ones', () => {
    expect(needsBrowser('const canvas = new OffscreenCanvas(1, 1)')).toBe(true);
    expect(needsBrowser('await createImageBitmap(blob)')).toBe(true);
    expect(needsBrowser('export default () => new Response()')).toBe(false);
    expect(needsBrowser('const myOffscreenCanvasName = 1')).toBe(false);
  });

  it('has a list of its own', () => {
    expect(BROWSER_GLOBALS.filter((name) => ALLOWED_GLOBALS.includes(name))).toEqual([]);
  });
});

describe('the lines of its input', () => {
  const planned = (...given: Parameters<typeof volunteerLines>): VolunteerLines => {
    const lines = volunteerLines(...given);
    if ('code' in lines) throw new Error(lines.message);
    return lines;
  };
  /** As the file will be, with payloads of `x`es. */
  const texts = ({ lines }: VolunteerLines): string[] =>
    lines.map((pieces) =>
      pieces
        .map((piece) =>
          typeof piece === 'string' ? piece : base64Of(new Uint8Array(piece.bytes).fill(120)),
        )
        .join(''),
    );
  const recordsOf = (lines: VolunteerLines) =>
    texts(lines).map((text) => JSON.parse(text) as VolunteerRecord);

  it('are one a unit, and boundaries say in bytes where each begins', () => {
    const lines = planned('{"input":null,"steps":{}}', ['{"name":"Grüße"}', '2', 'null'], claims());
    const ends = texts(lines).map((text) => Buffer.byteLength(text));
    const sums = [0, 1, 2, 3].map((n) => ends.slice(0, n).reduce((sum, end) => sum + end, 0));
    expect(lines.boundaries).toEqual(sums);
    expect(
      texts(lines).every((text) => text.endsWith('\n') && !text.slice(0, -1).includes('\n')),
    ).toBe(true);
    expect(recordsOf(lines)).toEqual([
      { item: 0, value: { name: 'Grüße' }, payloads: {} },
      { item: 1, value: 2, payloads: {} },
      { item: 2, value: null, payloads: {} },
    ]);
    expect(recordsOf(planned('{}', null, claims()))).toEqual([{ item: null, payloads: {} }]);
  });

  it('carry the payloads of their own item, and those that every item sees', () => {
    const [a, b, shared] = [claim('claim_a', 5), claim('claim_b', 7), claim('claim_s', 100)];
    const given = JSON.stringify({ input: { shared }, steps: { frames: [a, b] } });
    const lines = planned(
      given,
      [JSON.stringify(a), JSON.stringify({ of: [b] })],
      claims(a, b, shared),
    );
    expect(recordsOf(lines).map(({ payloads }) => Object.keys(payloads))).toEqual([
      ['claim_a', 'claim_s'],
      ['claim_b', 'claim_s'],
    ]);
    expect(lines.boundaries.at(-1)).toBe(Buffer.byteLength(texts(lines).join('')));
  });

  it('leave behind what does not fit, the largest first, and what is not there', () => {
    const small = claim('claim_small', MIB);
    const large = claim('claim_large', RECORD_MAX_BYTES);
    const given = JSON.stringify({ input: [large, small, claim('claim_gone', 1)] });
    const lines = planned(given, null, claims(large, small));
    const [pieces = []] = lines.lines;
    expect(pieces.filter((piece) => typeof piece !== 'string')).toEqual([small]);
    // Ten thousand items may not each bring a picture along that lies beside them.
    const many = planned(given, Array.from({ length: 10_000 }, String), claims(large, small));
    expect(many.lines.flat().filter((piece) => typeof piece !== 'string')).toEqual([]);
    expect(many.boundaries.at(-1)).toBeLessThan(VOLUNTEER_INPUT_MAX_BYTES);
  });

  it('are refused when the items alone are too large', () => {
    const item = JSON.stringify('x'.repeat(RECORD_MAX_BYTES));
    expect(volunteerLines('{}', ['1', item], claims())).toMatchObject({
      code: 'memory',
      message: expect.stringContaining('item 1') as string,
    });
    const pictures = Array.from({ length: 60 }, (_, i) => claim(`claim_${i}`, 10 * MIB));
    const items = pictures.map((picture) => JSON.stringify(picture));
    expect(volunteerLines('{}', items, claims(...pictures))).toMatchObject({ code: 'memory' });
  });

  it('find claims at any depth, and nothing else', () => {
    const deep = `${'['.repeat(5_000)}${JSON.stringify(claim('claim_deep', 1))}${']'.repeat(5_000)}`;
    expect(
      tokensIn([deep, '{"token":"no claim"}', '{"claim":{"token":"t","sha256":"s"}}']),
    ).toEqual(new Set(['claim_deep', 't']));
  });
});

describe('what came back', () => {
  const json = (value: unknown, log: string[] = []) => ({
    kind: 'json',
    json: JSON.stringify(value),
    log,
  });
  const bytes = (length: number, more: object = {}) => ({
    kind: 'bytes',
    bytes: length,
    json: false,
    contentType: 'image/png',
    log: [],
    ...more,
  });
  const at = (unit: number, number: number, value: unknown) => ({
    key: volunteerKey(unit, number),
    value,
  });
  const chunk = base64Of(Uint8Array.of(1, 2, 3));

  it('is read on from where an answer ended', async () => {
    const emitted = Array.from({ length: 1_200 }, (_, unit) => at(unit, 0, json(unit)));
    const values: string[] = [];
    let next: number | null = 0;
    for (let answers = 0; next !== null; answers++) {
      const page: Awaited<ReturnType<typeof collected>> = await collected(
        emitted.slice(next),
        1_200,
        values.length,
      );
      for (const output of page.outputs) values.push(output.kind === 'json' ? output.json : '');
      next = page.end === null ? null : next + page.end;
      expect(answers).toBeLessThan(4);
    }
    expect(values).toEqual(emitted.map((_, unit) => String(unit)));
  });

  it.each([
    ['a unit is missing', [at(1, 0, json(1))], 2],
    ['the last one is missing', [at(0, 0, json(1))], 2],
    ['two speak for one unit', [{ ...at(0, 0, json(1)), values: [json(1), json(2)] }], 1],
    ['a head is none', [at(0, 0, 'x')], 1],
    ['the JSON is none', [at(0, 0, { kind: 'json', json: '{', log: [] })], 1],
    ['the log is too long', [at(0, 0, json(1, ['x'.repeat(1_001)]))], 1],
    ['a content type would split a header', [at(0, 0, bytes(0, { contentType: 'a\r\nb: c' }))], 1],
    ['more bytes are announced than may be', [at(0, 0, bytes(VOLUNTEER_OUTPUT_MAX_BYTES + 1))], 1],
    ['fewer bytes come than were announced', [at(0, 0, bytes(4)), at(0, 1, chunk)], 1],
    ['more bytes come than were announced', [at(0, 0, bytes(2)), at(0, 1, chunk)], 1],
    ['a chunk is missing', [at(0, 0, bytes(3))], 1],
    ['a chunk is no base64', [at(0, 0, bytes(3)), at(0, 1, '*')], 1],
    ['a chunk is no text', [at(0, 0, bytes(3)), at(0, 1, 3)], 1],
    ['large JSON is none', [at(0, 0, bytes(3, { json: true })), at(0, 1, chunk)], 1],
  ])('is refused when %s', async (_, emitted, units) => {
    await expect(collected(emitted, units)).rejects.toThrow(BadOutputError);
  });
});

it('has chunks that fit into values', () => {
  expect(base64Length(VOLUNTEER_CHUNK_BYTES) + 2).toBeLessThanOrEqual(VALUE_MAX_BYTES);
  expect(VOLUNTEER_CHUNK_BYTES % 3).toBe(0);
});
