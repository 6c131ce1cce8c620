// What is bound to one parameter of a statement: JSON lists, each of a size that a parameter takes.
import { TEXT_PIECE_MAX_CHARS } from '../../shared/limits.ts';

/** `json`: of one item. */
export function* jsonLists<Item>(
  items: Iterable<Item>,
  json: (item: Item) => string,
): Iterable<string> {
  let texts: string[] = [];
  let chars = 0;
  for (const item of items) {
    const text = json(item);
    if (chars + text.length > TEXT_PIECE_MAX_CHARS && texts.length > 0) {
      yield `[${texts.join()}]`;
      texts = [];
      chars = 0;
    }
    texts.push(text);
    chars += text.length + 1;
  }
  if (texts.length > 0) yield `[${texts.join()}]`;
}
