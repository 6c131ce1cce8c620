// What a test run amounts to, from vitest's JSON report. A file that does not load has no failed test,
// and an error outside every test fails the run: both count as a failure.

export interface VitestReport {
  numPassedTests: number;
  numFailedTests: number;
  numPendingTests: number;
  numTodoTests: number;
  testResults: { status: string; assertionResults: { status: string }[] }[];
}

export interface Count {
  passed: number;
  failed: number;
  skipped: number;
}

export function countTests(report: VitestReport, exitedWell: boolean): Count {
  const failedFiles = report.testResults.filter(
    (file) =>
      file.status === 'failed' && !file.assertionResults.some((test) => test.status === 'failed'),
  ).length;
  const failed = report.numFailedTests + failedFiles;
  return {
    passed: report.numPassedTests,
    failed: failed === 0 && !exitedWell ? 1 : failed,
    skipped: report.numPendingTests + report.numTodoTests,
  };
}
