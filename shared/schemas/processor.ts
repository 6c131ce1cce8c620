// Processors: user code attached to streams.
export * from './processor-reads.ts';
export * from './processor-spec.ts';
export * from './processor-view.ts';
