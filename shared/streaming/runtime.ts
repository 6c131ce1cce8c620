// The entry of the processors' bundle (see worker/local/build.ts): one classic script that isolates evaluate
// before a program. It defines `manyhandsProcessing`.
export { runBatch } from './batch-run.ts';
export { runProcess } from './process-run.ts';
