// Reads a streamed text line by line. Empty lines are left out.

/** `line` may return false to stop. */
export async function eachLine(
  body: ReadableStream<Uint8Array<ArrayBuffer>>,
  line: (text: string) => boolean | void,
): Promise<void> {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  for (;;) {
    const { done, value } = await reader.read();
    const lines = (rest + (value ?? '')).split('\n');
    rest = done ? '' : (lines.pop() ?? '');
    for (const text of lines) {
      if (text !== '' && line(text) === false) return void (await reader.cancel());
    }
    if (done) return;
  }
}
