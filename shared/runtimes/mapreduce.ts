// The entry of the runtime bundle (see worker/local/build.ts): one classic script that volunteers' sandboxed
// workers and the edge's isolates evaluate before a program. It defines `manyhandsRuntime`.
import { stepMap } from '../dag/volunteer-run.ts';
import { type MapRun, runMap as runMapOf } from '../mapreduce/map-run.ts';
import type { MapResult } from '../mapreduce/task.ts';

export { runDryRun } from '../mapreduce/dry-run.ts';
export { runReduce } from '../mapreduce/reduce-run.ts';

export const runMap = (run: MapRun): Promise<MapResult> => runMapOf(run, stepMap);
