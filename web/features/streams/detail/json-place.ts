// Where JSON goes wrong, as a line and a column: engines say it in words of their own, if at all. Pure.
export interface JsonProblem {
  message: string;
  /** From 1. Null when the engine does not tell. */
  line: number | null;
  column: number | null;
}

/** Null for JSON. */
export function jsonProblem(text: string): JsonProblem | null {
  try {
    JSON.parse(text);
    return null;
  } catch (error) {
    const said = error instanceof Error ? error.message : String(error);
    return { message: withoutPlace(said), ...placeIn(said, text) };
  }
}

function placeIn(said: string, text: string): { line: number | null; column: number | null } {
  const lineColumn = /line (\d+) column (\d+)/.exec(said);
  if (lineColumn) return { line: Number(lineColumn[1]), column: Number(lineColumn[2]) };
  const position = /position (\d+)/.exec(said);
  const atEnd = /unexpected end/i.test(said);
  if (!position && !atEnd) return { line: null, column: null };
  const before = text.slice(0, position ? Number(position[1]) : text.trimEnd().length);
  const line = before.split('\n').length;
  return { line, column: before.length - before.lastIndexOf('\n') };
}

function withoutPlace(said: string): string {
  return said
    .replace(/^JSON\.parse: /, '')
    .replace(/,? ?\.{3}".*" is not valid JSON.*$/s, '')
    .replace(/ in JSON at position \d+.*$/s, '')
    .replace(/ at position \d+.*$/s, '')
    .replace(/ at line \d+ column \d+.*$/s, '')
    .replace(/, "[^]*" is not valid JSON$/, '');
}
