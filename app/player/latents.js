// The 2-D view: every chain as a dot over a density, the followed one with its trail and the
// arrows of what moves it next.

const TRAIL = 200; // steps of the followed chain that stay visible
const SCALES = [1, 2, 3, 5, 10, 20, 30, 50, 100];

class Latents {
  constructor(canvas) {
    this.canvas = canvas;
  }

  draw(trajectory, record, chain, colors, scales) {
    const { header, columns } = trajectory;
    const plane = square(this.canvas, header.extent);
    plane.context.drawImage(this.shades(trajectory.shades(record), colors), 0, 0, plane.side, plane.side);
    drawCross(plane, header.extent, header.axes, colors);
    this.trail(plane, columns.latents, record, chain, header.n, colors);
    scatter(plane, columns.latents, record, header.n, chain, colors);
    const at = 2 * (record * header.n + chain);
    const [x, y] = columns.latents.subarray(at, at + 2);
    for (const { name, term } of header.arrows) {
      const [dx, dy] = columns[name].subarray(at, at + 2);
      const scale = scales[kindOf(term)];
      arrow(plane, [x, y], [x + scale * dx, y + scale * dy], colors[term] ?? colors.text, colors);
    }
  }

  // The density in the colour of the tilted prior, made once a backdrop and theme.
  shades({ values, side, name }, { tilt }) {
    const tag = `${name} ${tilt}`;
    if (this.tag === tag) return this.layer;
    this.tag = tag;
    this.layer = new OffscreenCanvas(side, side);
    const context = this.layer.getContext("2d");
    const image = context.createImageData(side, side);
    values.forEach((value, i) => (image.data[4 * i + 3] = 0.75 * value));
    context.putImageData(image, 0, 0);
    context.globalCompositeOperation = "source-in";
    context.fillStyle = tilt;
    context.fillRect(0, 0, side, side);
    return this.layer;
  }

  trail({ context, unit, pixel }, points, record, chain, n, colors) {
    context.beginPath();
    for (let k = Math.max(0, record - TRAIL); k <= record; k++) {
      const at = 2 * (k * n + chain);
      context.lineTo(...pixel(points[at], points[at + 1]));
    }
    context.strokeStyle = colors.followed;
    context.lineWidth = unit;
    context.globalAlpha = 0.7;
    context.stroke();
    context.globalAlpha = 1;
  }

  chainAt({ header, columns }, record, event) {
    return nearest(columns.latents, record, header.n, ...pointOf(event, header.extent));
  }
}

// Forces are drawn to one scale, the noise to its own: it is far longer than they are.
function kindOf(term) {
  return term === "noise" ? "noise" : "forces";
}

// How many times its size to draw each kind of arrow: most of them then reach a quarter of the
// way to the edge. Worked out from the first records and kept, so that lengths can be compared.
function arrowScales(trajectories) {
  const scales = {};
  for (const trajectory of trajectories) {
    for (const { name, term } of trajectory.header.arrows) {
      const kind = kindOf(term);
      scales[kind] = Math.min(scales[kind] ?? Infinity, arrowScale(trajectory, name));
    }
  }
  return scales;
}

function arrowScale({ header, columns, length }, name) {
  const vectors = columns[name].subarray(0, 2 * length * header.n);
  const lengths = new Float32Array(length * header.n);
  for (let i = 0; i < lengths.length; i++) {
    lengths[i] = Math.hypot(vectors[2 * i], vectors[2 * i + 1]);
  }
  const long = lengths.sort()[Math.floor(0.9 * lengths.length)];
  return SCALES.findLast((scale) => scale * long <= 0.3 * header.extent) ?? 1;
}

// An arrow with a rim in the background's colour, so that it stands out on any shade.
function arrow({ context, unit, pixel }, from, to, color, colors) {
  const [[x0, y0], [x1, y1]] = [pixel(...from), pixel(...to)];
  const length = Math.hypot(x1 - x0, y1 - y0);
  if (!(length > 1)) return;
  const head = Math.min(8 * unit, length);
  const [ux, uy] = [(x1 - x0) / length, (y1 - y0) / length];
  const side = (sign) => [
    x1 - head * ux - sign * 0.5 * head * uy,
    y1 - head * uy + sign * 0.5 * head * ux,
  ];
  context.beginPath();
  context.moveTo(x0, y0);
  context.lineTo(x1, y1);
  context.moveTo(...side(1));
  context.lineTo(x1, y1);
  context.lineTo(...side(-1));
  context.lineJoin = context.lineCap = "round";
  for (const [style, width] of [[colors.background, 4.5], [color, 2.2]]) {
    context.strokeStyle = style;
    context.lineWidth = width * unit;
    context.stroke();
  }
}

// Axes through the origin, their names and how far they reach.
function drawCross({ context, side, ratio }, extent, [across, up], colors) {
  context.fillStyle = colors.text;
  context.globalAlpha = 0.14;
  context.fillRect(0, side / 2, side, 1);
  context.fillRect(side / 2, 0, 1, side);
  context.globalAlpha = 0.85;
  context.font = `${11 * ratio}px sans-serif`;
  const reach = Number(extent.toPrecision(2));
  const text = (label, x, y, align, baseline) => {
    context.textAlign = align;
    context.textBaseline = baseline;
    context.fillText(label, x, y);
  };
  const pad = 4 * ratio;
  text(`${across} ${reach} →`, side - pad, side / 2 - pad, "right", "bottom");
  text(`↑ ${up} ${reach}`, side / 2 + pad, pad, "left", "top");
  context.globalAlpha = 1;
}
