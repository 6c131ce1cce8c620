// The names of steps as they stand in a submitted text. JSON.parse keeps the last of two steps of the same name and says
// nothing: a step that somebody wrote would be gone.

/** Keys of the object `steps` of a JSON object, in order, each as often as it stands there. `text` has been parsed: it is JSON. */
export function stepKeys(text: string): string[] {
  const keys: string[] = [];
  let depth = 0;
  let inSteps = false;
  for (let at = 0; at < text.length; at++) {
    const char = text[at];
    if (char === '{' || char === '[') depth++;
    else if (char === '}' || char === ']') depth--;
    if (char !== '"') continue;
    const end = endOfString(text, at);
    if (depth <= 2 && isKey(text, end + 1)) {
      const key = JSON.parse(text.slice(at, end + 1)) as string;
      if (depth === 1) inSteps = key === 'steps';
      else if (inSteps) keys.push(key);
    }
    at = end;
  }
  return keys;
}

/** Where the text that begins with the quotation mark at `start` has its last one. */
function endOfString(text: string, start: number): number {
  for (let end = text.indexOf('"', start + 1); ; end = text.indexOf('"', end + 1)) {
    if (end < 0) return text.length;
    let slashes = 0;
    while (text[end - 1 - slashes] === '\\') slashes++;
    if (slashes % 2 === 0) return end;
  }
}

function isKey(text: string, after: number): boolean {
  let at = after;
  while (' \n\r\t'.includes(text[at] ?? '.')) at++;
  return text[at] === ':';
}
