// A small drawing area. Strokes are drawn fine and sent averaged down to the model's pixels, when
// the pen is lifted; the picture the server holds is shown unless it was drawn here: a slow answer
// to one stroke must not wipe out the next.

const FINE = 320; // pixels along a side of the drawing, about
const areas = new WeakMap();

export default function (component) {
  const { parentElement, data } = component;
  let area = areas.get(parentElement);
  if (!area?.standsIn(parentElement)) { // Streamlit may mount it again on the same elements
    area = new Area(parentElement);
    areas.set(parentElement, area);
  }
  area.send = (picture) => component.setStateValue("picture", picture);
  area.receive(data);
}

class Area {
  constructor(root) {
    const find = (selector) => root.querySelector(selector);
    this.section = find(".draw");
    this.canvas = find("canvas");
    this.context = this.canvas.getContext("2d", { willReadFrequently: true });
    this.width = find("select.width");
    this.color = find("input");
    this.rubber = find("button.rubber");
    this.undoButton = find("button.undo");
    this.before = []; // the picture before each stroke, at most ten
    this.pen = null; // the pointer that draws, and where it was last
    this.known = new Set(); // pictures that were drawn or shown here
    this.canvas.addEventListener("pointerdown", (event) => this.down(event));
    this.canvas.addEventListener("pointermove", (event) => this.move(event));
    for (const end of ["pointerup", "pointercancel"]) {
      this.canvas.addEventListener(end, (event) => this.up(event));
    }
    this.rubber.addEventListener("click", () => {
      this.rubber.setAttribute("aria-pressed", this.rubber.ariaPressed !== "true");
    });
    this.undoButton.addEventListener("click", () => this.undo());
    find("button.clear").addEventListener("click", () => this.clear());
  }

  // Whether what it draws on is still there.
  standsIn(root) {
    return root.contains(this.section);
  }

  receive({ side, channels, picture }) {
    const isNew = side !== this.side || channels !== this.channels;
    if (!isNew && (this.pen || this.known.has(picture))) return;
    [this.side, this.channels] = [side, channels];
    this.known.add(picture);
    this.section.dataset.channels = channels;
    this.scale = Math.ceil(FINE / side);
    this.canvas.width = this.canvas.height = side * this.scale;
    this.before = [];
    this.fill();
    if (picture) this.paint(Uint8Array.from(atob(picture), (c) => c.charCodeAt(0)));
    this.undoButton.disabled = true;
  }

  fill() {
    this.context.fillStyle = "#000";
    this.context.fillRect(0, 0, this.canvas.width, this.canvas.height);
  }

  paint(pixels) {
    for (let i = 0; i < this.side * this.side; i++) {
      const [r, g, b] = [0, 1, 2].map((j) => pixels[i * this.channels + (j % this.channels)]);
      this.context.fillStyle = `rgb(${r} ${g} ${b})`;
      const [x, y] = [i % this.side, Math.floor(i / this.side)];
      this.context.fillRect(x * this.scale, y * this.scale, this.scale, this.scale);
    }
  }

  place({ clientX, clientY }) {
    const box = this.canvas.getBoundingClientRect();
    const size = this.canvas.width / box.width;
    return [(clientX - box.left) * size, (clientY - box.top) * size];
  }

  down(event) {
    if (this.pen || event.button !== 0) return;
    event.preventDefault();
    this.canvas.setPointerCapture(event.pointerId);
    this.remember();
    this.pen = { id: event.pointerId, at: this.place(event) };
    this.stroke(this.pen.at);
  }

  move(event) {
    if (event.pointerId !== this.pen?.id) return;
    for (const step of event.getCoalescedEvents?.() ?? [event]) this.stroke(this.place(step));
  }

  up(event) {
    if (event.pointerId !== this.pen?.id) return;
    this.pen = null;
    this.commit();
  }

  stroke(to) {
    const { context, pen } = this;
    const wipes = this.rubber.ariaPressed === "true";
    context.strokeStyle = wipes ? "#000" : this.channels === 1 ? "#fff" : this.color.value;
    context.lineWidth = Number(this.width.value) * this.canvas.width;
    context.lineCap = context.lineJoin = "round";
    context.beginPath();
    context.moveTo(...pen.at);
    context.lineTo(...to);
    context.stroke();
    pen.at = to;
  }

  remember() {
    const { width } = this.canvas;
    this.before.push(this.context.getImageData(0, 0, width, width));
    if (this.before.length > 10) this.before.shift();
    this.undoButton.disabled = false;
  }

  undo() {
    this.context.putImageData(this.before.pop(), 0, 0);
    this.undoButton.disabled = this.before.length === 0;
    this.commit();
  }

  clear() {
    this.remember();
    this.fill();
    this.commit();
  }

  // Each pixel of the model is the mean of its square of fine ones.
  commit() {
    const { side, channels, scale } = this;
    const fine = this.context.getImageData(0, 0, side * scale, side * scale).data;
    const sums = new Float64Array(side * side * channels);
    for (let y = 0; y < side * scale; y++) {
      for (let x = 0; x < side * scale; x++) {
        const target = (Math.floor(y / scale) * side + Math.floor(x / scale)) * channels;
        for (let j = 0; j < channels; j++) sums[target + j] += fine[4 * (y * side * scale + x) + j];
      }
    }
    const bytes = Uint8Array.from(sums, (sum) => Math.round(sum / (scale * scale)));
    const picture = btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
    this.known.add(picture);
    this.send(picture);
  }
}
