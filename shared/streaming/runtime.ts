// The entry of the processors' bundle (see worker/local/build.ts): one classic script that isolates evaluate
// before a program. It defines `manyhandsProcessing`.
export { runBatch } from './batch-run.ts';
export { runFire } from './fire-run.ts';
export { runFold } from './fold-run.ts';
export { runProcess } from './process-run.ts';
