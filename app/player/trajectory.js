// What the server has sent of a chain. The layout of the bytes stands in payload.py.

const CURVES = ["energy", "half_sq_norm", "drift", "diffusion", "displacement"];

function parse(bytes) {
  const whole = bytes.slice(); // aligned to 4 bytes, and ours
  const length = new DataView(whole.buffer).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(whole.subarray(4, 4 + length)));
  const { count, n, shape, kind, side } = header;
  let offset = 4 + length;
  const floats = (size) => {
    const array = new Float32Array(whole.buffer, offset, size);
    offset += 4 * size;
    return array;
  };
  const columns = {};
  for (const name of CURVES) columns[name] = floats(count * n);
  if (kind === "plane") {
    columns.z = floats(count * n * 2);
    columns.x = floats(count * n * 2);
    header.background = whole.subarray(offset, offset + side * side);
  } else {
    const size = count * n * shape.reduce((a, b) => a * b, 1);
    columns.pixels = whole.subarray(offset, offset + size);
  }
  return { header, columns };
}

class Trajectory {
  constructor(header) {
    this.header = header;
    this.length = 0;
    this.columns = {};
  }

  get last() {
    return this.length - 1;
  }

  // Add the records that are not held yet; false if these bytes leave a gap.
  append(header, columns) {
    const skip = this.length - header.first;
    if (skip < 0) return false;
    if (skip >= header.count) return true;
    const total = header.first + header.count;
    for (const [name, values] of Object.entries(columns)) {
      const width = values.length / header.count;
      let store = this.columns[name];
      if (!store || store.length < total * width) {
        const bigger = new values.constructor(Math.max(total, 2 * this.length) * width);
        if (store) bigger.set(store.subarray(0, this.length * width));
        this.columns[name] = store = bigger;
      }
      store.set(values.subarray(skip * width), this.length * width);
    }
    this.length = total;
    return true;
  }

  value(name, step, chain) {
    return this.columns[name][step * this.header.n + chain];
  }

  medianEnergy(step) {
    const { n } = this.header;
    const row = this.columns.energy.slice(step * n, (step + 1) * n);
    const finite = row.filter(Number.isFinite).sort();
    const middle = finite.length >> 1;
    if (finite.length === 0) return NaN;
    return finite.length % 2 ? finite[middle] : (finite[middle - 1] + finite[middle]) / 2;
  }
}
