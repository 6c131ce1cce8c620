// What volunteers earn: work for what was right, reputation only for what was compared.
import { expect, it } from 'vitest';
import type { AttemptRecord } from '../../../worker/jobs/mapreduce/attempts.ts';
import { CreditBook } from '../../../worker/jobs/mapreduce/credits.ts';

const attempt = (fields: Partial<AttemptRecord>): AttemptRecord => ({
  task: 0,
  attempt: 1,
  by: 'somebody',
  name: 'somebody',
  network: 'net',
  state: 'committed',
  grantedAtMs: 0,
  deadlineMs: 0,
  ms: 1,
  digest: 'd',
  error: null,
  receipt: null,
  ...fields,
});
const disagreement = { code: 'disagreement' as const, message: 'differs' };

it('an unchecked result counts as work, not as reputation', () => {
  const book = new CreditBook();
  book.enter([attempt({})]);
  expect(book.take()).toEqual([{ by: 'somebody', tasks: 1, bytes: 0, verified: 0, rejected: 0 }]);
});

it('results that agree verify each other; the edge earns nothing', () => {
  const book = new CreditBook();
  book.enter([
    attempt({ by: 'first-one' }),
    attempt({ attempt: 2, by: 'second-one', state: 'discarded' }),
    attempt({ task: 1, by: 'first-one' }),
    attempt({ task: 1, attempt: 2, by: 'edge', state: 'discarded' }),
  ]);
  expect(book.take()).toMatchObject([
    { by: 'first-one', tasks: 2, verified: 2 },
    { by: 'second-one', tasks: 1, verified: 1 },
  ]);
});

it('what differs or is forged is rejected; other failures and leases are nothing', () => {
  const book = new CreditBook();
  book.enter([
    attempt({ state: 'failed', error: disagreement }),
    attempt({ attempt: 2, state: 'failed', error: { code: 'bad_spill', message: 'forged' } }),
    attempt({ attempt: 3, state: 'failed', error: { code: 'deadline', message: 'late' } }),
    attempt({ attempt: 4, state: 'leased' }),
    attempt({ attempt: 5, by: 'edge', state: 'failed', error: disagreement }),
  ]);
  expect(book.take()).toEqual([{ by: 'somebody', tasks: 0, bytes: 0, verified: 0, rejected: 2 }]);
});

it('is given out once', () => {
  const book = new CreditBook();
  book.enter([attempt({})]);
  expect(book.take()).toHaveLength(1);
  expect(book.take()).toEqual([]);
});
