// The picture of the swarm: everybody has a seat of their own, inside the picture and off the hexagon.
import { expect, test } from 'vitest';
import {
  CIRCLES_MAX,
  coreHistogram,
  NARROW,
  placeVolunteers,
  WIDE,
} from '../../../web/features/home/swarm-layout.ts';

test.each([
  ['wide', WIDE],
  ['narrow', NARROW],
])('%s: for any number up to the bound, nobody overlaps anybody', (_, picture) => {
  const { width, height, hexagonRadius } = picture;
  const centre = { x: width / 2, y: height / 2, radius: hexagonRadius };
  for (let total = 0; total <= CIRCLES_MAX; total++) {
    const places = placeVolunteers(total, picture);
    expect(places).toHaveLength(total);
    const gaps = places.flatMap((a, index) => [
      Math.min(a.x, width - a.x, a.y, height - a.y) - a.radius,
      ...[centre, ...places.slice(index + 1)].map(
        (b) => Math.hypot(a.x - b.x, a.y - b.y) - a.radius - b.radius,
      ),
    ]);
    expect(Math.min(Infinity, ...gaps), `${total} volunteers`).toBeGreaterThan(0);
  }
});

test('the histogram counts everybody once, whatever they lend', () => {
  const bins = coreHistogram([
    { cores: 1, state: 'working' },
    { cores: 3, state: 'idle' },
    { cores: 4, state: 'finishing' },
    { cores: 200, state: 'snoozed' },
  ]);
  expect(bins.find(({ label }) => label === '1')).toMatchObject({ working: 1, others: 0 });
  expect(bins.find(({ label }) => label === '3–4')).toMatchObject({ working: 1, others: 1 });
  expect(bins.find(({ label }) => label === '33+')).toMatchObject({ working: 0, others: 1 });
  expect(bins.reduce((sum, bin) => sum + bin.working + bin.others, 0)).toBe(4);
});
