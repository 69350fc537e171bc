// The energy of every chain over steps. Curves are drawn once, the marker at every step.

class Profile {
  constructor(figure) {
    this.canvas = figure.querySelector("canvas");
  }

  stepAt(event) {
    const share = (event.offsetX - this.axes.left) / this.axes.width;
    return Math.round(Math.min(1, Math.max(0, share)) * this.axes.steps);
  }

  drawCurves(trajectory, chain, colors) {
    const width = Math.max(this.canvas.clientWidth, 200);
    const height = Math.min(320, Math.max(200, width * 0.7));
    this.canvas.style.height = `${height}px`;
    const ratio = window.devicePixelRatio || 1;
    const axes = { left: 46, top: 8, width: width - 56, height: height - 42, ratio };
    axes.steps = Math.max(trajectory.last, 1);
    const count = trajectory.length * trajectory.header.n;
    Object.assign(axes, range(trajectory.columns.energy.subarray(0, count)));
    this.axes = axes;
    this.layer = new OffscreenCanvas(Math.round(width * ratio), Math.round(height * ratio));
    const context = this.layer.getContext("2d");
    context.scale(ratio, ratio);
    context.lineJoin = "round";
    drawAxes(context, axes, colors.text);
    const energy = (i) => (step) => trajectory.value("energy", step, i);
    const median = (step) => trajectory.medianEnergy(step);
    for (let i = 0; i < trajectory.header.n; i++) {
      this.line(context, colors.text, 1, 0.16, energy(i));
    }
    this.line(context, colors.median, 2.5, 1, median);
    this.line(context, colors.selected, 1.8, 1, energy(chain));
  }

  line(context, color, thickness, alpha, value) {
    context.strokeStyle = color;
    context.lineWidth = thickness;
    context.globalAlpha = alpha;
    context.beginPath();
    let drawing = false;
    for (let step = 0; step <= this.axes.steps; step++) {
      const energy = value(step);
      const finite = Number.isFinite(energy);
      if (finite && drawing) context.lineTo(...place(this.axes, step, energy));
      else if (finite) context.moveTo(...place(this.axes, step, energy));
      drawing = finite;
    }
    context.stroke();
    context.globalAlpha = 1;
  }

  drawMarker(trajectory, step, chain, colors) {
    const { axes } = this;
    const context = sized(this.canvas, this.layer.width, this.layer.height);
    context.drawImage(this.layer, 0, 0);
    context.save();
    context.scale(axes.ratio, axes.ratio);
    const [x, y] = place(axes, step, trajectory.value("energy", step, chain));
    context.strokeStyle = colors.text;
    context.lineWidth = 1;
    context.beginPath();
    context.moveTo(x, axes.top);
    context.lineTo(x, axes.top + axes.height);
    context.stroke();
    if (Number.isFinite(y)) {
      context.fillStyle = colors.selected;
      context.beginPath();
      context.arc(x, y, 4.5, 0, 2 * Math.PI);
      context.fill();
    }
    context.restore();
  }
}

function range(values) {
  let low = Infinity;
  let high = -Infinity;
  for (const value of values) {
    if (!Number.isFinite(value)) continue;
    if (value < low) low = value;
    if (value > high) high = value;
  }
  if (low > high) return { low: -1, high: 1 };
  const margin = 0.04 * (high - low) || 1;
  return { low: low - margin, high: high + margin };
}

function place(axes, step, value) {
  const x = axes.left + (step / axes.steps) * axes.width;
  const y = axes.top + (1 - (value - axes.low) / (axes.high - axes.low)) * axes.height;
  return [x, y];
}

function drawAxes(context, axes, color) {
  const bottom = axes.top + axes.height;
  context.fillStyle = color;
  context.font = "12px sans-serif";
  context.textAlign = "right";
  context.textBaseline = "middle";
  for (const value of ticks(axes.low, axes.high, 5)) {
    const [, y] = place(axes, 0, value);
    context.globalAlpha = 0.85;
    context.fillText(tickLabel(value), axes.left - 6, y);
    context.globalAlpha = 0.12;
    context.fillRect(axes.left, Math.round(y), axes.width, 1);
  }
  context.globalAlpha = 0.85;
  context.textAlign = "center";
  context.textBaseline = "top";
  for (const step of ticks(0, axes.steps, 6).filter(Number.isInteger)) {
    context.fillText(tickLabel(step), place(axes, step, axes.low)[0], bottom + 5);
  }
  context.fillText("step k", axes.left + axes.width / 2, bottom + 20);
  context.globalAlpha = 1;
}

function tickLabel(value) {
  return String(Number(value.toPrecision(4))).replace("-", "−");
}

function ticks(low, high, about) {
  const raw = (high - low) / about;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((multiple) => multiple * power).find((s) => s >= raw);
  const first = Math.ceil(low / step);
  const count = Math.floor(high / step) - first + 1;
  return Array.from({ length: count }, (_, i) => Number(((first + i) * step).toPrecision(10)));
}
