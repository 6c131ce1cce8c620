// Routes, document and client cannot disagree: what would make them disagree does not compile.
import { describe, expect, it } from 'vitest';
import { compileErrors } from '../../support/compile.ts';

const HANDLERS = `
import { Reply, type Handlers } from './serve.ts';
import { streamHandlers } from './streams.ts';
import { swarmHandlers } from './swarm.ts';
import { datasetHandlers } from './datasets.ts';
`;

const CLIENT = `import { createClient } from '../../shared/client.ts'; const client = createClient('');`;

const errors = compileErrors('worker/tsconfig.json', {
  theSame: `${HANDLERS} export const made: Handlers<'swarm'> = { ...swarmHandlers, health: () => ({ ok: true, version: '1' }) };`,
  otherShape: `${HANDLERS} export const made: Handlers<'swarm'> = { ...swarmHandlers, health: () => ({ ok: true, version: 1 }) };`,
  noAnswer: `${HANDLERS} export const made: Handlers<'swarm'> = { ...swarmHandlers, health: () => undefined };`,
  answerTooMany: `${HANDLERS} export const made: Handlers<'datasets'> = { ...datasetHandlers, delete: async () => ({ gone: true }) };`,
  otherStatus: `${HANDLERS} export const made: Handlers<'streams'> = { ...streamHandlers, put: async (asked) => new Reply(202, (await streamHandlers.put(asked)).value) };`,
  missing: `${HANDLERS} const { health: _, ...rest } = swarmHandlers; export const made: Handlers<'swarm'> = rest;`,
  tooMany: `${HANDLERS} export const made: Handlers<'swarm'> = { ...swarmHandlers, more: () => ({ ok: true }) };`,
  called: `${CLIENT} export const bytes = async () => (await client.datasets.get('a')).bytes + (await client.jobs.list({ limit: 3, state: 'done' })).items.length; export const job = async () => (await client.jobs.submit({ kind: 'mapreduce', input: { inline: '' }, code: 'x' })).progress;`,
  otherBody: `${CLIENT} export const made = client.streams.append('a', { tipe: 'x' });`,
  otherQuery: `${CLIENT} export const made = client.jobs.list({ state: 'asleep' });`,
  noName: `${CLIENT} export const made = client.jobs.get();`,
  otherAnswer: `${CLIENT} export const made = async () => (await client.datasets.get('a')).size;`,
  noPart: `${CLIENT} export const made = client.datasets.putPart('a', 'bytes');`,
  unknownQuery: `${HANDLERS} export const made: Handlers<'swarm'> = { ...swarmHandlers, volunteers: ({ query }) => ({ items: [], next: query.prefix }) };`,
});

describe('a route', () => {
  it('that answers what its operation says compiles', () => {
    expect(errors.theSame).toEqual([]);
  });

  it.each(['otherShape', 'noAnswer', 'answerTooMany', 'otherStatus'] as const)(
    'that answers something else does not: %s',
    (name) => {
      expect(errors[name]).toEqual([expect.stringContaining('is not assignable to type')]);
    },
  );

  it('that is missing, or in no table, does not', () => {
    expect(errors.missing).toEqual([expect.stringContaining("'health' is missing")]);
    expect(errors.tooMany).toEqual([expect.stringContaining("'more' does not exist")]);
  });

  it('that reads what its operation does not take does not', () => {
    expect(errors.unknownQuery).toEqual([expect.stringContaining("'prefix' does not exist")]);
  });
});

describe('a call', () => {
  it('as the operation takes it compiles', () => {
    expect(errors.called).toEqual([]);
  });

  it.each([
    ['otherBody', 'tipe'],
    ['otherQuery', '"asleep"'],
    ['noName', 'Expected 1-2 arguments'],
    ['otherAnswer', "'size' does not exist"],
    ['noPart', 'Expected 3 arguments'],
  ] as const)('that is made otherwise does not: %s', (name, says) => {
    expect(errors[name]).toEqual([expect.stringContaining(says)]);
  });
});
