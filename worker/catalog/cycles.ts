// Processors that feed each other in a cycle would never come to rest: such a definition is refused.

/** What a processor reads and writes, by stream name. */
export interface Flow {
  processor: string;
  streams: string[];
  outputs: string[];
}

/**
 * The circle that `added` would close, as a path of stream and processor names that begins and ends with the
 * same stream: ["a", "p", "b", "q", "a"]. Null: there is none. A definition of the same name is replaced.
 */
export function cycleWith(flows: readonly Flow[], added: Flow): string[] | null {
  const readers = new Map<string, Flow[]>();
  for (const flow of [...flows.filter(({ processor }) => processor !== added.processor), added]) {
    for (const stream of flow.streams) {
      readers.set(stream, [...(readers.get(stream) ?? []), flow]);
    }
  }
  // Breadth first, so that the shortest circle is named.
  const cameBy = new Map(added.outputs.map((output) => [output, [output]]));
  const waiting = [...cameBy.keys()];
  for (let stream = waiting.shift(); stream !== undefined; stream = waiting.shift()) {
    const path = cameBy.get(stream) ?? [];
    for (const flow of readers.get(stream) ?? []) {
      if (flow === added) return [stream, added.processor, ...path];
      for (const output of flow.outputs) {
        if (cameBy.has(output)) continue;
        cameBy.set(output, [...path, flow.processor, output]);
        waiting.push(output);
      }
    }
  }
  return null;
}
