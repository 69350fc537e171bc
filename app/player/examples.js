// What chains decode to: a grid of pictures and the followed one, or points in the data's plane.

const DATA_EXTENT = 3; // half the side of the data's plane that is drawn

class Pictures {
  constructor(many, one) {
    this.many = many;
    this.one = one;
  }

  draw({ header, columns }, record, chain, colors) {
    const [h, w, c] = header.shape;
    const across = gridColumns(header.n);
    const size = h * w * c;
    const from = (i) => (record * header.n + i) * size;
    const corner = (i) => [(i % across) * (w + 2), Math.floor(i / across) * (h + 2)];
    const rows = Math.ceil(header.n / across);
    const context = sized(this.many, across * (w + 2), rows * (h + 2));
    const image = context.createImageData(this.many.width, this.many.height);
    for (let i = 0; i < header.n; i++) {
      const [left, top] = corner(i);
      paint(columns.examples, from(i), header.shape, image, left + 1, top + 1);
    }
    context.putImageData(image, 0, 0);
    for (const i of Object.keys(header.failures)) this.cross(context, ...corner(i), w, h, colors);
    const [left, top] = corner(chain);
    context.strokeStyle = colors.followed;
    context.strokeRect(left + 0.5, top + 0.5, w + 1, h + 1);
    const single = sized(this.one, w, h);
    const picture = single.createImageData(w, h);
    paint(columns.examples, from(chain), header.shape, picture, 0, 0);
    single.putImageData(picture, 0, 0);
  }

  // Strike out a chain that was stopped.
  cross(context, left, top, w, h, colors) {
    context.strokeStyle = colors.followed;
    context.beginPath();
    context.moveTo(left + 1, top + 1);
    context.lineTo(left + 1 + w, top + 1 + h);
    context.stroke();
  }

  // The chain whose picture a pointer event hits.
  chainAt({ header }, record, { target, offsetX, offsetY }) {
    const across = gridColumns(header.n);
    const row = Math.floor((offsetY / target.clientHeight) * Math.ceil(header.n / across));
    return row * across + Math.floor((offsetX / target.clientWidth) * across);
  }
}

class Points {
  constructor(many) {
    this.canvas = many;
  }

  draw({ header, columns }, record, chain, colors) {
    const plane = square(this.canvas, DATA_EXTENT);
    drawCross(plane, DATA_EXTENT, ["x₁", "x₂"], colors);
    scatter(plane, columns.examples, record, header.n, chain, colors);
  }

  chainAt({ header, columns }, record, event) {
    return nearest(columns.examples, record, header.n, ...pointOf(event, DATA_EXTENT));
  }
}

function gridColumns(n) {
  return Math.ceil(Math.sqrt(n));
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
