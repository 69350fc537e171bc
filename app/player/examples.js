// What chains decode to: a grid of pictures, or points in the plane over the prior's density.

class Pictures {
  constructor(many, one) {
    this.many = canvasAndCaption(many);
    this.one = canvasAndCaption(one);
  }

  draw({ header, columns }, step, chain, colors) {
    const [h, w, c] = header.shape;
    const across = gridColumns(header.n);
    const size = h * w * c;
    const from = (i) => (step * header.n + i) * size;
    const corner = (i) => [(i % across) * (w + 2), Math.floor(i / across) * (h + 2)];
    this.many.caption.textContent = `Decoded g(z) of ${header.n} chains at step ${step}`;
    const rows = Math.ceil(header.n / across);
    const context = sized(this.many.canvas, across * (w + 2), rows * (h + 2));
    const image = context.createImageData(context.canvas.width, context.canvas.height);
    for (let i = 0; i < header.n; i++) {
      const [left, top] = corner(i);
      paint(columns.pixels, from(i), header.shape, image, left + 1, top + 1);
    }
    context.putImageData(image, 0, 0);
    const [left, top] = corner(chain);
    context.strokeStyle = colors.selected;
    context.strokeRect(left + 0.5, top + 0.5, w + 1, h + 1);
    this.one.caption.textContent = `Chain ${chain}`;
    const single = sized(this.one.canvas, w, h);
    const picture = single.createImageData(w, h);
    paint(columns.pixels, from(chain), header.shape, picture, 0, 0);
    single.putImageData(picture, 0, 0);
  }

  // The chain whose picture lies at these shares of the grid's width and height.
  chainAt({ header }, step, x, y) {
    const across = gridColumns(header.n);
    const row = Math.floor(y * Math.ceil(header.n / across));
    return row * across + Math.floor(x * across);
  }
}

class Plane {
  constructor(many, one) {
    this.latent = canvasAndCaption(many);
    this.data = canvasAndCaption(one);
  }

  draw({ header, columns }, step, chain, colors) {
    this.latent.caption.textContent =
      `Latent z of ${header.n} chains at step ${step}, each axis −${header.extent} to ` +
      `${header.extent}; shade: the tilted prior`;
    const latent = square(this.latent.canvas, header.extent);
    latent.context.drawImage(this.backdrop(header, colors), 0, 0, latent.side, latent.side);
    this.trail(latent, columns.z, step, chain, header.n, colors);
    this.scatter(latent, columns.z, step, chain, header.n, colors);
    this.data.caption.textContent = "Decoded g(z), −3 to 3";
    const data = square(this.data.canvas, 3);
    this.scatter(data, columns.x, step, chain, header.n, colors);
  }

  // The prior's density as shades, made once a chain and theme.
  backdrop({ id, side, background }, colors) {
    const tag = `${id} ${colors.dark}`;
    if (this.tag === tag) return this.shades;
    this.tag = tag;
    this.shades = new OffscreenCanvas(side, side);
    const context = this.shades.getContext("2d");
    const image = context.createImageData(side, side);
    const from = colors.dark ? [17, 20, 23] : [255, 255, 255];
    const to = colors.dark ? [86, 180, 233] : [0, 114, 178];
    background.forEach((density, i) => {
      for (let j = 0; j < 3; j++) {
        image.data[4 * i + j] = from[j] + (density / 255) * 0.8 * (to[j] - from[j]);
      }
      image.data[4 * i + 3] = 255;
    });
    context.putImageData(image, 0, 0);
    return this.shades;
  }

  trail({ context, side, pixel }, points, step, chain, n, colors) {
    context.beginPath();
    for (let k = 0; k <= step; k++) {
      const at = 2 * (k * n + chain);
      context.lineTo(...pixel(points[at], points[at + 1]));
    }
    context.strokeStyle = colors.selected;
    context.lineWidth = side / 300;
    context.stroke();
  }

  scatter({ context, side, pixel }, points, step, chain, n, colors) {
    const dot = (i, radius, color) => {
      const at = 2 * (step * n + i);
      context.beginPath();
      context.arc(...pixel(points[at], points[at + 1]), (radius * side) / 300, 0, 2 * Math.PI);
      context.fillStyle = color;
      context.fill();
    };
    for (let i = 0; i < n; i++) dot(i, 2.2, colors.text);
    dot(chain, 4.5, colors.selected);
  }

  // The chain nearest to these shares of the plane's width and height.
  chainAt({ header, columns }, step, x, y) {
    const wanted = [(2 * x - 1) * header.extent, (1 - 2 * y) * header.extent];
    const distance = (i) => {
      const at = 2 * (step * header.n + i);
      return Math.hypot(columns.z[at] - wanted[0], columns.z[at + 1] - wanted[1]);
    };
    let best = 0;
    for (let i = 1; i < header.n; i++) if (distance(i) < distance(best)) best = i;
    return best;
  }
}

function canvasAndCaption(figure) {
  return { canvas: figure.querySelector("canvas"), caption: figure.querySelector("figcaption") };
}

function gridColumns(n) {
  return Math.ceil(Math.sqrt(n));
}

// The canvas's context, cleared, at this size.
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
  const side = Math.round(Math.max(canvas.clientWidth, 100) * (window.devicePixelRatio || 1));
  const pixel = (x, y) => [((x / extent + 1) * side) / 2, ((1 - y / extent) * side) / 2];
  return { context: sized(canvas, side, side), side, pixel };
}

// One picture of uint8 values into an ImageData, its corner at (left, top).
function paint(pixels, from, [h, w, c], image, left, top) {
  const out = new Uint32Array(image.data.buffer);
  for (let y = 0; y < h; y++) {
    let target = (top + y) * image.width + left;
    for (let x = 0; x < w; x++, from += c) {
      const red = pixels[from];
      const green = c === 1 ? red : pixels[from + 1];
      const blue = c === 1 ? red : pixels[from + 2];
      out[target++] = 0xff000000 | (blue << 16) | (green << 8) | red;
    }
  }
}
