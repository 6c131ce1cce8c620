// Routes, document and client cannot disagree: what would make them disagree does not compile.
import { describe, expect, it } from 'vitest';
import { compileErrors } from '../../support/compile.ts';

const HANDLERS = `
import { Reply, type Handlers } from './serve.ts';
import { streamHandlers } from './streams.ts';
import { swarmHandlers } from './swarm.ts';
import { datasetHandlers } from './datasets.ts';
`;

const errors = compileErrors('worker/tsconfig.json', {
  theSame: `${HANDLERS} export const made: Handlers<'swarm'> = { ...swarmHandlers, health: () => ({ ok: true, version: '1' }) };`,
  otherShape: `${HANDLERS} export const made: Handlers<'swarm'> = { ...swarmHandlers, health: () => ({ ok: true, version: 1 }) };`,
  noAnswer: `${HANDLERS} export const made: Handlers<'swarm'> = { ...swarmHandlers, health: () => undefined };`,
  answerTooMany: `${HANDLERS} export const made: Handlers<'datasets'> = { ...datasetHandlers, delete: async () => ({ gone: true }) };`,
  otherStatus: `${HANDLERS} export const made: Handlers<'streams'> = { ...streamHandlers, put: async (asked) => new Reply(202, (await streamHandlers.put(asked)).value) };`,
  missing: `${HANDLERS} const { health: _, ...rest } = swarmHandlers; export const made: Handlers<'swarm'> = rest;`,
  tooMany: `${HANDLERS} export const made: Handlers<'swarm'> = { ...swarmHandlers, more: () => ({ ok: true }) };`,
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
