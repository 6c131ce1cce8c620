// Peer (b): hits per page by a plain single-threaded Node script, `node count-pages.ts <file>`. It reads
// in big chunks and runs the same map function; prints the number of pages and lines.
import { createReadStream } from 'node:fs';
import { accessLog } from '../../../shared/mapreduce/access-log.ts';
import { HITS_PER_PAGE } from '../../../worker/local/hits-per-page.ts';

const source = `data:text/javascript,${encodeURIComponent(HITS_PER_PAGE)}`;
const { map } = (await import(source)) as {
  map: (line: string, emit: (key: string, value: number) => void, ctx: object) => void;
};

const hits = new Map<string, number>();
const emit = (key: string, value: number) => hits.set(key, (hits.get(key) ?? 0) + value);
const ctx = { counter() {}, accessLog };

let lines = 0;
let rest = '';
for await (const chunk of createReadStream(process.argv[2] ?? '', { highWaterMark: 1 << 20 })) {
  const text = rest + (chunk as Buffer).toString('latin1');
  let from = 0;
  for (let to = text.indexOf('\n'); to >= 0; to = text.indexOf('\n', from)) {
    map(text.slice(from, to), emit, ctx);
    lines += 1;
    from = to + 1;
  }
  rest = text.slice(from);
}
if (rest !== '') {
  map(rest, emit, ctx);
  lines += 1;
}
console.log(`${hits.size} pages, ${lines} lines`);
