// One quantity of every chain over the records. Lines are drawn once, the marker at every record.

class Curves {
  constructor(canvas) {
    this.canvas = canvas;
  }

  // The record that a pointer event points at.
  recordAt(event) {
    const share = (event.offsetX - this.axes.left) / this.axes.width;
    return Math.round(Math.min(1, Math.max(0, share)) * this.axes.last);
  }

  drawLines(trajectory, last, chain, key, range, colors, unit) {
    this.key = key;
    const width = Math.max(this.canvas.clientWidth, 200);
    const height = Math.min(300, Math.max(200, width * 0.55));
    this.canvas.style.height = `${height}px`;
    const ratio = window.devicePixelRatio || 1;
    this.axes = { left: 46, top: 8, width: width - 56, height: height - 42, ratio };
    Object.assign(this.axes, padded(range), { last: Math.max(last, 1) });
    this.layer = new OffscreenCanvas(Math.round(width * ratio), Math.round(height * ratio));
    const context = this.layer.getContext("2d");
    context.scale(ratio, ratio);
    context.lineJoin = "round";
    this.drawAxes(context, colors.text, trajectory.columns.steps, last, unit);
    const of = (i) => (record) => trajectory.value(key, record, i);
    const stride = Math.ceil(last / width); // thin lines need no more points than pixels
    for (let i = 0; i < trajectory.header.n; i++) {
      this.line(context, colors.text, 1, 0.16, last, stride, of(i));
    }
    const median = (record) => trajectory.median(key, record);
    this.line(context, colors.tilt, 2.5, 1, last, 1, median);
    this.line(context, colors.followed, 1.8, 1, last, 1, of(chain));
  }

  line(context, color, thickness, alpha, last, stride, value) {
    context.strokeStyle = color;
    context.lineWidth = thickness;
    context.globalAlpha = alpha;
    context.beginPath();
    let drawing = false;
    for (let record = 0; record <= last; record += stride || 1) {
      const height = value(record);
      const finite = Number.isFinite(height);
      if (finite && drawing) context.lineTo(...this.place(record, height));
      else if (finite) context.moveTo(...this.place(record, height));
      drawing = finite;
    }
    context.stroke();
    context.globalAlpha = 1;
  }

  drawMarker(trajectory, record, chain, colors) {
    const { axes } = this;
    const context = sized(this.canvas, this.layer.width, this.layer.height);
    context.drawImage(this.layer, 0, 0);
    context.save();
    context.scale(axes.ratio, axes.ratio);
    const [x, y] = this.place(record, trajectory.value(this.key, record, chain));
    context.fillStyle = colors.text;
    context.fillRect(x - 0.5, axes.top, 1, axes.height);
    if (Number.isFinite(y)) {
      context.fillStyle = colors.followed;
      context.beginPath();
      context.arc(x, y, 4.5, 0, 2 * Math.PI);
      context.fill();
    }
    context.restore();
  }

  place(record, value) {
    const { left, top, width, height, low, high, last } = this.axes;
    return [left + (record / last) * width, top + (1 - (value - low) / (high - low)) * height];
  }

  drawAxes(context, color, steps, last, unit) {
    const { left, top, width, height, low, high } = this.axes;
    context.fillStyle = color;
    context.font = "12px sans-serif";
    context.textAlign = "right";
    context.textBaseline = "middle";
    for (const value of ticks(low, high, 5)) {
      const [, y] = this.place(0, value);
      context.globalAlpha = 0.85;
      context.fillText(tickLabel(value), left - 6, y);
      context.globalAlpha = 0.12;
      context.fillRect(left, Math.round(y), width, 1);
    }
    context.globalAlpha = 0.85;
    context.textAlign = "center";
    context.textBaseline = "top";
    for (const record of ticks(0, last, 6).filter(Number.isInteger)) {
      context.fillText(tickLabel(steps[record]), this.place(record, low)[0], top + height + 5);
    }
    context.fillText(unit, left + width / 2, top + height + 20);
    context.globalAlpha = 1;
  }
}

function padded([low, high]) {
  if (low > high) return { low: -1, high: 1 };
  const margin = 0.04 * (high - low) || 1;
  return { low: low - margin, high: high + margin };
}

function tickLabel(value) {
  return minus(String(Number(value.toPrecision(4))));
}

function ticks(low, high, about) {
  const raw = (high - low) / about;
  if (!(raw > 0)) return [low];
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((multiple) => multiple * power).find((s) => s >= raw);
  const first = Math.ceil(low / step);
  const count = Math.floor(high / step) - first + 1;
  return Array.from({ length: count }, (_, i) => Number(((first + i) * step).toPrecision(10)));
}
