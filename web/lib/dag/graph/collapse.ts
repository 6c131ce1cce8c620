// Puts the steps of a large graph together until a person can look at it and a layout is done in a blink: first the
// steps of wide levels, then levels that follow each other. Pure, and of the definition alone: the picture stands
// still while the run goes on.
import { readGraph } from '../../../../shared/dag/graph.ts';
import type { GraphStep } from './graph-step.ts';

export interface GraphNode {
  /** A step's name, or `#<first level>-<last level>`. */
  id: string;
  /** In order; one: the step itself. */
  steps: string[];
  fromLevel: number;
  toLevel: number;
}

export interface GraphEdge {
  from: string;
  to: string;
}

export interface DrawnGraph {
  /** Each after all that it needs. */
  nodes: GraphNode[];
  edges: GraphEdge[];
  /** Step → the node that it is in. */
  nodeOf: Map<string, string>;
}

export const NODES_MAX = 120;
export const EDGES_MAX = 300;
/** Levels that edges span, together: each one costs the layout a point. */
export const SPANS_MAX = 1_500;
/** Steps of a level that still stand alone, tried one after the other. */
const WIDTHS = [Infinity, 12, 4, 1];

export function drawnGraph(steps: readonly GraphStep[]): DrawnGraph {
  const needs = knownNeeds(steps);
  const levels = levelsOf(steps, needs);
  for (const width of WIDTHS) {
    const graph = grouped(levels, needs, width, 1);
    if (isSmall(graph)) return graph;
  }
  for (let together = 2; ; together *= 2) {
    const graph = grouped(levels, needs, 1, together);
    if (isSmall(graph) || together >= levels.length) return graph;
  }
}

/** What is being written may need what is not there, or itself. */
function knownNeeds(steps: readonly GraphStep[]): Map<string, string[]> {
  const names = new Set(steps.map(({ name }) => name));
  return new Map(
    steps.map(({ name, needs }) => [
      name,
      [...new Set(needs)].filter((need) => names.has(need) && need !== name),
    ]),
  );
}

/** A graph with a cycle has no levels: its steps stay in the order in which they are written. */
function levelsOf(steps: readonly GraphStep[], needs: Map<string, string[]>): string[][] {
  const graph = readGraph(Object.fromEntries(needs));
  return graph.ok ? graph.levels : [steps.map(({ name }) => name)];
}

function grouped(
  levels: readonly (readonly string[])[],
  needs: Map<string, string[]>,
  width: number,
  together: number,
): DrawnGraph {
  const nodes: GraphNode[] = [];
  const nodeOf = new Map<string, string>();
  const add = (id: string, steps: string[], fromLevel: number, toLevel: number) => {
    nodes.push({ id, steps, fromLevel, toLevel });
    for (const step of steps) nodeOf.set(step, id);
  };
  for (let from = 0; from < levels.length; from += together) {
    const chunk = levels.slice(from, from + together);
    const to = from + chunk.length - 1;
    const steps = chunk.flat();
    if (together === 1 && steps.length <= width)
      for (const step of steps) add(step, [step], from, to);
    else if (steps.length === 1) add(steps[0] as string, steps, from, to);
    else add(`#${from}-${to}`, steps, from, to);
  }
  return { nodes, edges: edgesBetween(needs, nodeOf), nodeOf };
}

function edgesBetween(needs: Map<string, string[]>, nodeOf: Map<string, string>): GraphEdge[] {
  const edges = new Map<string, GraphEdge>();
  for (const [step, own] of needs) {
    const to = nodeOf.get(step) ?? step;
    for (const need of own) {
      const from = nodeOf.get(need) ?? need;
      if (from !== to) edges.set(`${from} ${to}`, { from, to });
    }
  }
  return [...edges.values()];
}

function isSmall({ nodes, edges }: DrawnGraph): boolean {
  if (nodes.length > NODES_MAX || edges.length > EDGES_MAX) return false;
  const levels = new Map(nodes.map(({ id, fromLevel }) => [id, fromLevel]));
  const span = ({ from, to }: GraphEdge) =>
    Math.abs((levels.get(to) ?? 0) - (levels.get(from) ?? 0));
  return edges.reduce((sum, edge) => sum + span(edge), 0) <= SPANS_MAX;
}
