// The entry of the runtime bundle (see worker/local/build.ts): one classic script that volunteers' sandboxed
// workers and the edge's isolates evaluate before a program. It defines `manyhandsRuntime`.
export { runDryRun } from '../mapreduce/dry-run.ts';
export { runMap } from '../mapreduce/map-run.ts';
export { runReduce } from '../mapreduce/reduce-run.ts';
