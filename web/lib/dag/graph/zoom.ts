// How large a graph is drawn: whole where that can still be read, else as large as it has to be to be read, and
// scrolled. Pure.
interface Size {
  width: number;
  height: number;
}

const SCALE_MIN = 0.2;
const SCALE_MAX = 1.5;
/** Below it, names in boxes cannot be read any more. */
const READABLE = 0.7;

const bounded = (scale: number): number => Math.min(SCALE_MAX, Math.max(SCALE_MIN, scale));

/** All of it, and never larger than drawn. */
export const fitScale = (graph: Size, room: Size): number =>
  bounded(Math.min(1, room.width / (graph.width || 1), room.height / (graph.height || 1)));

export const startScale = (graph: Size, room: Size): number =>
  Math.max(READABLE, fitScale(graph, room));

export const zoomed = (scale: number, by: number): number => bounded(scale * by);
