// What every panel needs to draw.

// The canvas's context, cleared, at this size in device pixels.
function sized(canvas, width, height) {
  if (canvas.width !== width || canvas.height !== height) {
    canvas.width = width;
    canvas.height = height;
  }
  const context = canvas.getContext("2d");
  context.clearRect(0, 0, width, height);
  return context;
}

// A square canvas over [-extent, extent]², with the map from points to pixels.
function square(canvas, extent) {
  const ratio = window.devicePixelRatio || 1;
  const side = Math.round(Math.max(canvas.clientWidth, 100) * ratio);
  const pixel = (x, y) => [((x / extent + 1) * side) / 2, ((1 - y / extent) * side) / 2];
  return { context: sized(canvas, side, side), side, unit: side / 300, ratio, pixel };
}

// Every chain as a dot at its point of this record, the followed one larger.
function scatter({ context, unit, pixel }, points, record, n, chain, colors) {
  const dot = (i, radius, color) => {
    const at = 2 * (record * n + i);
    context.beginPath();
    context.arc(...pixel(points[at], points[at + 1]), radius * unit, 0, 2 * Math.PI);
    context.fillStyle = color;
    context.fill();
  };
  context.globalAlpha = 0.75;
  for (let i = 0; i < n; i++) dot(i, 2, colors.text);
  context.globalAlpha = 1;
  dot(chain, 4.5, colors.followed);
}

// The chain whose point of this record is nearest to (x, y).
function nearest(points, record, n, x, y) {
  const distance = (i) => {
    const at = 2 * (record * n + i);
    return Math.hypot(points[at] - x, points[at + 1] - y);
  };
  let best = 0;
  for (let i = 1; i < n; i++) if (distance(i) < distance(best)) best = i;
  return best;
}

// Where on a square canvas over [-extent, extent]² a pointer event lies.
function pointOf({ target, offsetX, offsetY }, extent) {
  const { clientWidth, clientHeight } = target;
  return [(2 * offsetX / clientWidth - 1) * extent, (1 - 2 * offsetY / clientHeight) * extent];
}

// The theme's colours, read once a redraw; arrows by the term of the log density they belong to.
function readColors(element) {
  const style = getComputedStyle(element);
  const variable = (name) => style.getPropertyValue(name).trim();
  return {
    text: style.color,
    background: variable("--st-background-color"),
    followed: variable("--followed"),
    base: variable("--base"),
    tilt: variable("--tilt"),
    likelihood: variable("--likelihood"),
    noise: style.color,
  };
}

function minus(text) {
  return text.replace("-", "−");
}
