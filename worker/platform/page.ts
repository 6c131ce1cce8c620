// One page of a list that was read with one item more than is shown.
import type { List } from '../../shared/schemas/common.ts';

export function page<Item>(
  items: Item[],
  limit: number,
  cursorOf: (item: Item) => string,
): List<Item> {
  const shown = items.slice(0, limit);
  const last = shown.at(-1);
  return { items: shown, next: items.length > limit && last ? cursorOf(last) : null };
}
