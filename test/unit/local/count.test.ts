// The count that `npm test` prints last is what CI believes.
import { expect, test } from 'vitest';
import { countTests } from '../../support/count.ts';

const report = (over: object) => ({
  numPassedTests: 3,
  numFailedTests: 0,
  numPendingTests: 0,
  numTodoTests: 0,
  testResults: [],
  ...over,
});

test('passed, failed and skipped tests are counted', () => {
  const counted = countTests(
    report({ numFailedTests: 2, numPendingTests: 1, numTodoTests: 1 }),
    false,
  );
  expect(counted).toEqual({ passed: 3, failed: 2, skipped: 2 });
});

test('a file that does not load counts as a failure', () => {
  const testResults = [
    { status: 'failed', assertionResults: [] },
    { status: 'passed', assertionResults: [{ status: 'passed' }] },
  ];
  expect(countTests(report({ testResults }), false).failed).toBe(1);
});

test('a failed test in a file is not counted twice', () => {
  const testResults = [{ status: 'failed', assertionResults: [{ status: 'failed' }] }];
  expect(countTests(report({ numFailedTests: 1, testResults }), false).failed).toBe(1);
});

test('an error outside every test is a failure', () => {
  expect(countTests(report({}), false)).toEqual({ passed: 3, failed: 1, skipped: 0 });
});
