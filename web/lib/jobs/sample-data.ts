// Small inputs that the templates begin with, so that a first job needs no upload. Made, not quoted: a seeded
// generator writes an access log in the combined format; the texts are our own words.

const PAGES = [
  '/',
  '/blog/',
  '/blog/many-hands',
  '/docs/',
  '/docs/map-reduce',
  '/about',
  '/feed.xml',
];
const STATUSES = [200, 200, 200, 200, 200, 200, 304, 304, 404, 500];
const AGENTS = ['Mozilla/5.0 (X11; Linux x86_64)', 'Mozilla/5.0 (Macintosh)', 'curl/8.10.1'];

/** A day of visits, evenly spread over its hours; the first pages are asked for most. */
export function sampleLog(lines: number): string {
  let state = 20_261_124;
  // A linear congruential step (Numerical Recipes): plenty for sample data.
  const below = (bound: number) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 4_294_967_296) * bound);
  };
  const pick = <Item>(items: readonly Item[]): Item => {
    const item = items[below(items.length)];
    if (item === undefined) throw new Error('sampleLog: an empty list');
    return item;
  };
  const two = (n: number) => String(n).padStart(2, '0');
  const rows: string[] = [];
  for (let line = 0; line < lines; line++) {
    const second = Math.floor((line * 86_400) / lines);
    const time = `${two(Math.floor(second / 3600))}:${two(Math.floor(second / 60) % 60)}:${two(second % 60)}`;
    const page = PAGES[Math.min(below(PAGES.length), below(PAGES.length))] ?? '/';
    const query = below(8) === 0 ? '?from=feed' : '';
    const host = `198.51.100.${1 + below(40)}`;
    rows.push(
      `${host} - - [24/Nov/2026:${time} +0000] "GET ${page}${query} HTTP/1.1" ${pick(STATUSES)} ` +
        `${200 + below(9_000)} "-" "${pick(AGENTS)}"`,
    );
  }
  return rows.join('\n') + '\n';
}

export const SAMPLE_TEXT = `Many hands make light work.
A task that is too large for one pair of hands is not too large for many,
if the work can be cut into pieces, and the pieces put together again.
The map cuts. Each hand takes a piece, reads it, and notes what it finds.
The shuffle carries every note about the same thing to the same place.
The reduce puts the notes together, and what was many is one.
No hand has to know the others. No hand has to finish first.
If a hand lets go of its piece, another hand takes it up, and the result is the same.
Many hands make light work, and light work makes many hands.
`;

export const SAMPLE_DOCUMENTS =
  [
    { id: 'map', text: 'The map reads a record and emits keys with values.' },
    { id: 'combine', text: 'The combine folds the values of a key early, on the mapper.' },
    { id: 'shuffle', text: 'The shuffle brings the values of a key to one partition.' },
    { id: 'reduce', text: 'The reduce folds the values of a key to a result.' },
    { id: 'lease', text: 'A lease grants a task to a volunteer until a deadline.' },
    { id: 'spill', text: 'A spill holds the sorted records that a mapper emits.' },
    { id: 'volunteer', text: 'A volunteer lends cores, and takes a task under a lease.' },
  ]
    .map((document) => JSON.stringify(document))
    .join('\n') + '\n';
