// A text that is too long for one row, cut. A row takes 2 MB; a UTF-16 unit is three bytes at most.

/** At least one piece. A character of two units stays whole: half of it cannot be written as UTF-8. */
export function textPieces(text: string, maxChars: number): string[] {
  const pieces: string[] = [];
  let at = 0;
  do {
    let end = Math.min(text.length, at + maxChars);
    if (end < text.length && end > at + 1 && isFirstHalf(text.charCodeAt(end - 1))) end--;
    pieces.push(text.slice(at, end));
    at = end;
  } while (at < text.length);
  return pieces;
}

const isFirstHalf = (unit: number) => unit >= 0xd800 && unit <= 0xdbff;
