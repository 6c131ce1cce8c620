// The demo's and the benchmark's job: how often each page of an access log was asked for.

export const HITS_PER_PAGE = `// How often was each page asked for? Reads an access log, one line at a time.
export function map(line, emit, ctx) {
  const request = ctx.accessLog(line)?.request;
  if (request) emit(request.path, 1);
  else ctx.counter('lines without a request');
}

// Sums up on the mapper first, so that little has to travel, and then for good.
export const combine = 'sum';
export const reduce = 'sum';
`;
