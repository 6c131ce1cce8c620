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
    marginx: MARGIN_PX,
    marginy: MARGIN_PX,
  });
  for (const { id } of nodes) graph.setNode(id, { width: NODE_WIDTH_PX, height: NODE_HEIGHT_PX });
  for (const { from, to } of edges) graph.setEdge(from, to, {});
  layout(graph);
  const { width = 0, height = 0 } = graph.graph() as { width?: number; height?: number };
  return {
    nodes: nodes.map(({ id }) => {
      const { x, y } = graph.node(id) as Point;
      return { id, x: x - NODE_WIDTH_PX / 2, y: y - NODE_HEIGHT_PX / 2 };
    }),
    edges: edges.map(({ from, to }) => {
      const { points = [] } = graph.edge(from, to) as { points?: Point[] };
      return { from, to, path: smoothPath(points) };
    }),
    width,
    height,
  };
}

/** Bends at the points' middles, so that it passes near every point without a corner. */
export function smoothPath(points: readonly Point[]): string {
  const [first, ...rest] = points;
  const last = rest.pop();
  if (!first || !last) return '';
  const at = ({ x, y }: Point) => `${round(x)} ${round(y)}`;
  const bends = rest.map((point, i) => {
    const next = rest[i + 1];
    if (!next) return `Q${at(point)} ${at(last)}`;
    return `Q${at(point)} ${at({ x: (point.x + next.x) / 2, y: (point.y + next.y) / 2 })}`;
  });
  return `M${at(first)}${bends.join('')}${bends.length === 0 ? `L${at(last)}` : ''}`;
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
