// The commands on the page run in a shell as they stand: checked by a shell.
import { execFileSync } from 'node:child_process';
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { curlCommand, quote } from '../../../web/lib/curl.ts';

test('a shell reads back what was quoted', () => {
  const texts = fc.sample(
    fc.string({ unit: fc.constantFrom(...'aB1 \'"$`\\!*?~#&|;<>(){}[]\n\té') }),
    50,
  );
  const script = texts.map((text) => `printf '%s\\0' ${quote(text) || "''"}`).join('\n');
  const read = execFileSync('sh', ['-c', script], { encoding: 'utf8' }).split('\0').slice(0, -1);
  expect(read).toEqual(texts);
});

test('a submission carries its body, and the token by a variable', () => {
  const request = { method: 'POST', path: '/api/jobs', body: { name: "it's" } } as const;
  expect(curlCommand('http://127.0.0.1:8787', request, true)).toBe(
    `curl -X POST http://127.0.0.1:8787/api/jobs \\
  -H "authorization: Bearer $MANYHANDS_TOKEN" \\
  -H 'content-type: application/json' \\
  --data-binary '{"name":"it'\\''s"}'`,
  );
});

test('a plain read is one line', () => {
  expect(curlCommand('https://many.example', { path: '/api/jobs?state=done' }, false)).toBe(
    "curl 'https://many.example/api/jobs?state=done'",
  );
});
