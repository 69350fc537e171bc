// What the server has sent. The layout of the bytes stands in payload.py.

function parse(bytes) {
  const whole = bytes.slice(); // aligned to 4 bytes, and ours
  const length = new DataView(whole.buffer).getUint32(0, true);
  const message = JSON.parse(new TextDecoder().decode(whole.subarray(4, 4 + length)));
  let offset = 4 + length;
  const take = (ArrayType, size) => {
    const array = new ArrayType(whole.buffer, offset, size);
    offset += Math.ceil(array.byteLength / 4) * 4;
    return array;
  };
  for (const track of message.tracks) {
    const values = track.count * track.n;
    track.columns = { steps: take(Int32Array, track.count) };
    for (const { key } of track.curves) track.columns[key] = take(Float32Array, values);
    track.columns.latents = take(Float32Array, 2 * values);
    for (const { name } of track.arrows) track.columns[name] = take(Float32Array, 2 * values);
    const size = track.shape.reduce((a, b) => a * b, values);
    track.columns.examples = take(track.kind === "points" ? Float32Array : Uint8Array, size);
    const shades = take(Uint8Array, (track.moving ? track.count : 1) * track.side ** 2);
    if (track.moving) track.columns.shades = shades;
    else track.shades = shades;
  }
  return message;
}

// The records of one track that this browser holds.
class Trajectory {
  constructor(id) {
    this.id = id;
    this.length = 0;
    this.columns = {};
    this.medians = {};
  }

  // Add the records that are not held yet; false if these leave a gap.
  append({ columns, shades, ...header }) {
    const skip = this.length - header.first;
    if (skip < 0) return false;
    this.header = header;
    if (header.side > 0) this.backdrop = { values: shades, side: header.side };
    if (skip >= header.count) return true;
    const total = header.first + header.count;
    for (const [name, values] of Object.entries(columns)) {
      const width = values.length / header.count;
      let store = this.columns[name];
      if (!store || store.length < total * width) {
        const room = Math.max(total, Math.min(2 * this.length, header.limit + 1));
        const bigger = new values.constructor(room * width);
        if (store) bigger.set(store.subarray(0, this.length * width));
        this.columns[name] = store = bigger;
      }
      store.set(values.subarray(skip * width), this.length * width);
    }
    this.length = total;
    return true;
  }

  // What lies beneath the latents of a record, and a name for it.
  shades(record) {
    const { side, values } = this.backdrop;
    if (!this.header.moving) return { side, values, name: this.id };
    const area = side ** 2;
    const own = this.columns.shades.subarray(record * area, (record + 1) * area);
    return { side, values: own, name: `${this.id} ${record}` };
  }

  // The chains that stand stopped in a record.
  failures(record) {
    return this.header.failures.filter(({ first, last }) => first <= record && record <= last);
  }

  get last() {
    return this.length - 1;
  }

  value(key, record, chain) {
    return this.columns[key][record * this.header.n + chain];
  }

  // Over the chains whose value is finite; worked out once a record.
  median(key, record) {
    const known = (this.medians[key] ??= []);
    return (known[record] ??= this.medianOf(key, record));
  }

  medianOf(key, record) {
    const { n } = this.header;
    const row = this.columns[key].slice(record * n, (record + 1) * n);
    const finite = row.filter(Number.isFinite).sort();
    const middle = finite.length >> 1;
    if (finite.length === 0) return NaN;
    return finite.length % 2 ? finite[middle] : (finite[middle - 1] + finite[middle]) / 2;
  }

  // The smallest and largest finite value of a curve.
  range(key) {
    let [low, high] = [Infinity, -Infinity];
    for (const value of this.columns[key].subarray(0, this.length * this.header.n)) {
      if (!Number.isFinite(value)) continue;
      if (value < low) low = value;
      if (value > high) high = value;
    }
    return [low, high];
  }
}
