// The demo's and the benchmark's job: how often each page of an access log was asked for.

export const HITS_PER_PAGE = `// How often was each page asked for? Reads an access log, one line at a time.
export function map(line, emit, ctx) {
  const quote = line.indexOf('"'); // "GET /page?query HTTP/1.1"
  const from = line.indexOf(' ', quote) + 1;
  const to = line.indexOf(' ', from);
  if (quote < 0 || from === 0 || to < 0) return ctx.counter('lines without a request');
  const query = line.indexOf('?', from);
  emit(line.slice(from, query >= 0 && query < to ? query : to), 1);
}

// Sums up on the mapper first, so that little has to travel, and then for good.
export const combine = 'sum';
export const reduce = 'sum';
`;
