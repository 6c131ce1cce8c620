// Identifiers: sorted by age, safe in paths, not to be guessed.
import { expect, test } from 'vitest';
import { newId } from '../../../worker/platform/new-id.edge.ts';

test('ids sort by the time they were made', () => {
  const times = [0, 1, 31, 32, 1e12, 1_795_000_000_000, 1_795_000_000_001, 9e12];
  const ids = times.map((nowMs) => newId('job', nowMs));
  expect([...ids].sort()).toEqual(ids);
});

test('ids are safe in paths and of one length', () => {
  for (const nowMs of [0, 1e12, 3e13]) expect(newId('job', nowMs)).toMatch(/^job_[0-9a-z]{20}$/);
});

test('ids of one moment differ', () => {
  const ids = new Set(Array.from({ length: 10_000 }, () => newId('job', 5)));
  expect(ids.size).toBe(10_000);
});
