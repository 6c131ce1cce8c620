// A picture of something to sell, drawn here: for a person who has none at hand.
import type { ProductIdea } from '../examples/products.ts';

const WIDTH = 1_200;
const HEIGHT = 900;

export async function drawProduct({ thing, hue }: ProductIdea): Promise<Blob> {
  const canvas = document.createElement('canvas');
  Object.assign(canvas, { width: WIDTH, height: HEIGHT });
  const context = canvas.getContext('2d');
  if (!context) throw new Error('this browser cannot draw');
  drawTable(context, hue);
  SHAPES[thing](context, hue);
  return new Promise((resolve, reject) =>
    canvas.toBlob(
      (blob) => (blob ? resolve(blob) : reject(new Error('the drawing has no bytes'))),
      'image/jpeg',
      0.92,
    ),
  );
}

type Draw = (context: CanvasRenderingContext2D, hue: number) => void;
const tone = (hue: number, lightness: number, chroma = 0.12) =>
  `oklch(${lightness} ${chroma} ${hue})`;

function fill(context: CanvasRenderingContext2D, colour: string, path: string): void {
  context.fillStyle = colour;
  context.fill(new Path2D(path));
}

function stroke(
  context: CanvasRenderingContext2D,
  colour: string,
  width: number,
  path: string,
): void {
  context.strokeStyle = colour;
  context.lineWidth = width;
  context.lineCap = 'round';
  context.stroke(new Path2D(path));
}

const drawTable: Draw = (context, hue) => {
  const wall = context.createLinearGradient(0, 0, WIDTH, HEIGHT);
  wall.addColorStop(0, tone(hue + 40, 0.95, 0.03));
  wall.addColorStop(1, tone(hue + 80, 0.86, 0.05));
  context.fillStyle = wall;
  context.fillRect(0, 0, WIDTH, HEIGHT);
  context.fillStyle = tone(60, 0.78, 0.05);
  context.fillRect(0, 690, WIDTH, HEIGHT - 690);
  context.fillStyle = 'rgb(0 0 0 / 12%)';
  context.beginPath();
  context.ellipse(610, 745, 300, 34, 0, 0, 7);
  context.fill();
};

const SHAPES: Record<ProductIdea['thing'], Draw> = {
  mug(context, hue) {
    stroke(context, tone(hue, 0.5), 48, 'M770 390C930 370 930 620 750 610');
    fill(context, tone(hue, 0.58), 'M400 290H800L770 700Q765 740 720 740H480Q435 740 430 700Z');
    fill(context, tone(hue, 0.72), 'M430 310H520L530 720H480Q446 720 444 690Z');
    fill(context, tone(hue, 0.36), 'M400 290A200 46 0 0 1 800 290A200 46 0 0 1 400 290Z');
  },
  lamp(context, hue) {
    fill(context, tone(95, 0.94, 0.09), 'M470 430L330 740H890L750 430Z');
    stroke(context, tone(hue, 0.4), 26, 'M610 430V720');
    fill(context, tone(hue, 0.42), 'M480 745Q480 700 560 700H660Q740 700 740 745Z');
    fill(context, tone(hue, 0.6), 'M500 160H720L820 440H400Z');
    fill(context, tone(hue, 0.74), 'M500 160H570L510 440H400Z');
  },
  pot(context, hue) {
    for (const lean of [-150, -70, 0, 80, 160]) {
      const tip = 610 + 2 * lean;
      const height = 130 + Math.abs(lean);
      const leaf = `M610 520Q${tip - 60} 400 ${tip} ${height}Q${tip + 60} 400 610 520Z`;
      fill(context, tone(145 + lean / 10, 0.55 + lean / 1_600), leaf);
    }
    fill(context, tone(hue, 0.56), 'M420 500H800L750 745H470Z');
    fill(context, tone(hue, 0.68), 'M400 470H820V530H400Z');
  },
  kite(context, hue) {
    stroke(context, tone(hue, 0.45), 6, 'M600 610C560 680 690 720 600 800S660 880 640 890');
    fill(context, tone(hue, 0.62), 'M610 110L830 330L600 620L380 340Z');
    fill(context, tone(hue + 50, 0.72), 'M610 110L600 620L380 340Z');
    stroke(context, tone(hue, 0.35), 8, 'M610 110L600 620M380 340L830 330');
  },
};
