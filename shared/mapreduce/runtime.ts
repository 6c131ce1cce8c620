// The entry of the runtime bundle (see worker/local/build.ts): one classic script that volunteers' sandboxed
// workers and the edge's isolates evaluate before a program. It defines `manyhandsRuntime`.
export { runDryRun } from './dry-run.ts';
export { runMap } from './map-run.ts';
export { runReduce } from './reduce-run.ts';
