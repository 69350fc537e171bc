// What chains decode to: a grid of pictures and the followed one, or points in the data's plane.

const DATA_EXTENT = 3; // half the side of the data's plane that is drawn

class Pictures {
  constructor(many, one) {
    this.many = many;
    this.one = one;
    this.sheet = new OffscreenCanvas(1, 1); // all pictures of a record, pixel by pixel
  }

  draw(trajectory, record, chain, colors) {
    const { header, columns } = trajectory;
    const [h, w, c] = header.shape;
    const across = gridColumns(header.n);
    const rows = Math.ceil(header.n / across);
    const from = (i) => (record * header.n + i) * h * w * c;
    const cell = (i) => [i % across, Math.floor(i / across)];
    const sheet = sized(this.sheet, across * w, rows * h);
    const image = sheet.createImageData(across * w, rows * h);
    for (let i = 0; i < header.n; i++) {
      const [column, row] = cell(i);
      paint(columns.examples, from(i), header.shape, image, column * w, row * h);
    }
    sheet.putImageData(image, 0, 0);
    const single = sized(this.one, w, h);
    const [column, row] = cell(chain);
    single.drawImage(this.sheet, column * w, row * h, w, h, 0, 0, w, h);
    const stopped = new Set(trajectory.failures(record).map((failure) => failure.chain));
    this.lay(header, [across, rows], cell, chain, stopped, colors);
  }

  // Enlarge the sheet's pictures to the size on screen, with gaps, and mark chains.
  lay({ n, shape: [h, w] }, [across, rows], cell, chain, stopped, colors) {
    const ratio = window.devicePixelRatio || 1;
    const gap = 2 * ratio;
    const side = Math.max(this.many.clientWidth, 100) * ratio / across;
    const tall = (side - gap) * (h / w) + gap;
    const context = sized(this.many, Math.round(side * across), Math.round(tall * rows));
    context.imageSmoothingEnabled = false;
    context.strokeStyle = colors.followed;
    context.lineWidth = gap;
    for (let i = 0; i < n; i++) {
      const [column, row] = cell(i);
      const [x, y, width, height] = [column * side, row * tall, side - gap, tall - gap];
      const source = [column * w, row * h, w, h];
      context.drawImage(this.sheet, ...source, x + gap / 2, y + gap / 2, width, height);
      if (i === chain) context.strokeRect(x + gap / 2, y + gap / 2, width, height);
      if (!stopped.has(i)) continue;
      context.beginPath(); // a chain that was stopped is struck out
      context.moveTo(x + gap, y + gap);
      context.lineTo(x + width, y + height);
      context.stroke();
    }
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
