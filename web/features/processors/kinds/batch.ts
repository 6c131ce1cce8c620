// Code, or a MapReduce job, that runs once for each batch of events. Pure.
import { type KindRules, PLAIN, type SpecOf } from './rules.ts';

export const BATCH: KindRules<SpecOf<'batch'>> = {
  ...PLAIN,
  title: 'On batches',
  line: 'so many events, bytes, or so long',
  templates: [],
  templateOf: ({ runs }) => (runs === 'job' ? 'job' : 'batch'),
  fields: ['job', 'batch.maxEvents', 'batch.maxBytes', 'batch.maxWaitMs'],
  draftOf(spec) {
    if (!spec.job) return spec.batch;
    const { code, ...job } = spec.job;
    return { ...spec.batch, runs: 'job', code, job };
  },
  partOf({ runs, job, code, maxEvents, maxBytes, maxWaitMs }) {
    const batch = { maxEvents, maxBytes, maxWaitMs };
    return runs === 'code' ? { batch, code } : { batch, job: { ...job, code } };
  },
  code: (spec) => spec.code ?? spec.job?.code ?? '',
  runsJob: (of) => ('runs' in of ? of.runs === 'job' : of.job !== undefined),
  drain: {
    does: 'Closes the open window now',
    nothing: 'The open window is empty',
    isEmpty: ({ openWindow }) => openWindow?.events === 0,
  },
};
