// Where the boxes and lines of a graph lie: layers by dagre, lines as smooth paths through its points. Pure.
import { Graph, layout } from '@dagrejs/dagre';
import type { DrawnGraph } from './collapse.ts';

/** To the right where there is room, downwards on a phone. */
export type Direction = 'right' | 'down';

export interface PlacedNode {
  id: string;
  x: number;
  y: number;
}
export interface PlacedEdge {
  from: string;
  to: string;
  path: string;
}
export interface GraphLayout {
  nodes: PlacedNode[];
  edges: PlacedEdge[];
  width: number;
  height: number;
}

export const NODE_WIDTH_PX = 196;
export const NODE_HEIGHT_PX = 62;
const MARGIN_PX = 16;
const BEND_MIN_PX = 8;

interface Point {
  x: number;
  y: number;
}

export function layoutGraph({ nodes, edges }: DrawnGraph, direction: Direction): GraphLayout {
  const graph = new Graph();
  graph.setGraph({
    rankdir: direction === 'right' ? 'LR' : 'TB',
    nodesep: 20,
    ranksep: direction === 'right' ? 56 : 40,
  });
  for (const { id } of nodes) graph.setNode(id, { width: NODE_WIDTH_PX, height: NODE_HEIGHT_PX });
  for (const { from, to } of edges) graph.setEdge(from, to, {});
  layout(graph);
  const bends = edges.map(({ from, to }) => {
    const { points = [] } = graph.edge(from, to) as { points?: Point[] };
    // The one point between neighbours is where a label would be.
    return points.length > 3 ? points.slice(1, -1) : [];
  });
  const centres = nodes.map(({ id }) => graph.node(id) as Point);
  // Dagre makes room for boxes; lines that go round them may lie further out.
  const x = span([...bends.flat().map((bend) => bend.x), ...edgesOf(centres, 'x', NODE_WIDTH_PX)]);
  const y = span([...bends.flat().map((bend) => bend.y), ...edgesOf(centres, 'y', NODE_HEIGHT_PX)]);
  const moved = (point: Point): Point => ({ x: point.x - x.from, y: point.y - y.from });
  return {
    nodes: nodes.map(({ id }, i) => {
      const centre = moved(centres[i] as Point);
      return { id, x: centre.x - NODE_WIDTH_PX / 2, y: centre.y - NODE_HEIGHT_PX / 2 };
    }),
    edges: edges.map(({ from, to }, i) => {
      const source = moved(graph.node(from) as Point);
      const target = moved(graph.node(to) as Point);
      const between = (bends[i] ?? []).map(moved);
      return { from, to, path: edgePath(source, between, target, direction) };
    }),
    width: x.to - x.from,
    height: y.to - y.from,
  };
}

const edgesOf = (centres: readonly Point[], axis: 'x' | 'y', size: number): number[] =>
  centres.flatMap((centre) => [centre[axis] - size / 2, centre[axis] + size / 2]);

/** All of these, with a margin around. */
function span(places: readonly number[]): { from: number; to: number } {
  let [from, to] = [Infinity, -Infinity];
  for (const place of places) {
    if (place < from) from = place;
    if (place > to) to = place;
  }
  return places.length === 0 ? { from: 0, to: 0 } : { from: from - MARGIN_PX, to: to + MARGIN_PX };
}

/** Leaves a box where its reader leaves it and enters the next where it is entered; between, every bend is round. */
function edgePath(
  source: Point,
  between: readonly Point[],
  target: Point,
  direction: Direction,
): string {
  const [aside, along] = [NODE_WIDTH_PX / 2, NODE_HEIGHT_PX / 2];
  const [first, last] =
    direction === 'right'
      ? [
          { ...source, x: source.x + aside },
          { ...target, x: target.x - aside },
        ]
      : [
          { ...source, y: source.y + along },
          { ...target, y: target.y - along },
        ];
  return smoothPath([first, ...between, last], direction);
}

/** Through all points, at each of them in the direction of reading. */
export function smoothPath(points: readonly Point[], direction: Direction): string {
  const [first, ...rest] = points;
  if (!first) return '';
  const text = (x: number, y: number) => `${round(x)} ${round(y)}`;
  let path = `M${text(first.x, first.y)}`;
  let from = first;
  for (const to of rest) {
    if (direction === 'right') {
      const bend = Math.max(BEND_MIN_PX, Math.abs(to.x - from.x) / 2);
      path += `C${text(from.x + bend, from.y)} ${text(to.x - bend, to.y)} ${text(to.x, to.y)}`;
    } else {
      const bend = Math.max(BEND_MIN_PX, Math.abs(to.y - from.y) / 2);
      path += `C${text(from.x, from.y + bend)} ${text(to.x, to.y - bend)} ${text(to.x, to.y)}`;
    }
    from = to;
  }
  return path;
}

const round = (value: number): number => Math.round(value * 10) / 10;

const ARROWS: Record<string, (from: Point, to: Point) => [ahead: number, aside: number]> = {
  ArrowRight: (from, to) => [to.x - from.x, to.y - from.y],
  ArrowLeft: (from, to) => [from.x - to.x, to.y - from.y],
  ArrowDown: (from, to) => [to.y - from.y, to.x - from.x],
  ArrowUp: (from, to) => [from.y - to.y, to.x - from.x],
};

/** The box that an arrow key leads to: the nearest one ahead, straight ahead before aside. */
export function neighbour(nodes: readonly PlacedNode[], id: string, key: string): string | null {
  const from = nodes.find((node) => node.id === id);
  const way = ARROWS[key];
  if (!from || !way) return null;
  let nearest: string | null = null;
  let least = Infinity;
  for (const node of nodes) {
    const [ahead, aside] = way(from, node);
    const distance = ahead + 2 * Math.abs(aside);
    if (ahead <= 1 || distance >= least) continue;
    [nearest, least] = [node.id, distance];
  }
  return nearest;
}
