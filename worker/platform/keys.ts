// Every R2 key of the system is built here, and nowhere else.

/** Dataset versions are immutable: a new upload of the same name is a new object. */
export const datasetKey = (name: string, version: string) => `datasets/${name}/${version}`;

export const jobPrefix = (job: string) => `jobs/${job}/`;
export const programKey = (job: string) => `jobs/${job}/program`;
export const inlineInputKey = (job: string) => `jobs/${job}/input`;
export const spillKey = (job: string, task: number, attempt: number) =>
  `jobs/${job}/map/${task}/${attempt}`;
export const spillPrefix = (job: string) => `jobs/${job}/map/`;
/** Intermediate runs of a multi-pass merge; garbage once the part is committed. */
export const mergeRunKey = (
  job: string,
  partition: number,
  attempt: number,
  pass: number,
  run: number,
) => `jobs/${job}/merge/${partition}/${attempt}/${pass}-${run}`;
export const mergePrefix = (job: string, partition: number) => `jobs/${job}/merge/${partition}/`;
export const mergesPrefix = (job: string) => `jobs/${job}/merge/`;
/** A reduced partition: NDJSON lines `{"key":…,"value":…}`, sorted by key. */
export const partKey = (job: string, partition: number) => `jobs/${job}/parts/${partition}`;

/** A sealed piece of a partition's log: NDJSON of events, immutable. */
export const segmentKey = (streamUid: string, partition: number, first: number) =>
  `streams/${streamUid}/${partition}/${first}`;
export const claimKey = (token: string) => `claims/${token}`;
/** Compiled programs of processors, by their content. */
export const processorProgramKey = (hash: string) => `processors/programs/${hash}`;
/** Compiled programs of steps and expressions of DAG jobs, by their content. */
export const stepProgramKey = (hash: string) => `dag/programs/${hash}`;
