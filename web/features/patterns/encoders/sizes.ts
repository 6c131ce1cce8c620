// Sizes of pictures, whole pixels, never larger than the original. Pure.
export interface Size {
  width: number;
  height: number;
}

export function fitWidth(original: Size, wanted: number): Size {
  const width = Math.max(1, Math.min(wanted, original.width));
  return { width, height: Math.max(1, Math.round((original.height * width) / original.width)) };
}

/** Fits into a box, even numbers: some codecs take no others. */
export function fitBox(original: Size, box: Size): Size {
  const scale = Math.min(1, box.width / original.width, box.height / original.height);
  return { width: even(original.width * scale), height: even(original.height * scale) };
}

const even = (value: number) => Math.max(2, 2 * Math.floor(value / 2));

/** Where a camera that pans over a picture looks at a moment 0…1: from left to right, coming closer. */
export function panAt({ width, height }: Size, moment: number): Size & { x: number; y: number } {
  const zoom = 0.82 - 0.12 * moment;
  const [w, h] = [width * zoom, height * zoom];
  return { x: (width - w) * moment, y: (height - h) / 2, width: w, height: h };
}
