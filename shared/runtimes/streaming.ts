// The entry of the bundle of processors and of steps (see worker/local/build.ts): one classic script that isolates
// evaluate before a program. It defines `manyhandsProcessing`.
export { timers } from '../sandbox/timers.ts';
export { runExpressions } from '../dag/expression-run.ts';
export { runStep } from '../dag/step-run.ts';
export { runBatch } from '../streaming/batch-run.ts';
export { runFire } from '../streaming/fire-run.ts';
export { runFold } from '../streaming/fold-run.ts';
export { runProcess } from '../streaming/process-run.ts';
