// One track: its panels, drawn from one trajectory.

class TrackView {
  constructor(element) {
    const find = (selector) => element.querySelector(selector);
    this.element = element;
    this.title = find("h3");
    this.captions = { many: find(".many figcaption"), latents: find(".latents figcaption") };
    this.legend = find(".latents .legend");
    this.chooser = find(".curves select");
    this.chain = find(".one-chain figcaption");
    this.canvases = {};
    for (const name of ["many", "latents", "curves", "one-chain"]) {
      this.canvases[name] = find(`.${name} canvas`);
    }
    const { many } = this.canvases;
    this.examples = {
      pictures: new Pictures(many, this.canvases["one-chain"]),
      points: new Points(many),
    };
    this.latents = new Latents(this.canvases.latents);
    this.curves = new Curves(this.canvases.curves);
    this.numbers = new Numbers(find("tbody"));
  }

  // Tell the player what a person does in the panels.
  listen({ follow, goTo, choose }) {
    const { many, latents, curves } = this.canvases;
    many.addEventListener("click", (event) => follow(this, this.decoded, event));
    latents.addEventListener("click", (event) => follow(this, this.latents, event));
    this.chooser.addEventListener("change", () => choose(this.chooser.value));
    curves.addEventListener("pointerdown", (event) => {
      curves.setPointerCapture(event.pointerId);
      goTo(this.curves.recordAt(event));
    });
    curves.addEventListener("pointermove", (event) => {
      if (event.buttons) goTo(this.curves.recordAt(event));
    });
  }

  get decoded() {
    return this.examples[this.trajectory.header.kind];
  }

  // What changes with the data, the size, the theme, the followed chain or the curve.
  redraw(trajectory, { last, chain, curve, range, colors, unit, scales, shared, alone }) {
    const { header } = trajectory;
    this.trajectory = trajectory;
    this.scales = scales;
    this.element.dataset.kind = header.kind;
    this.title.textContent = header.title;
    this.title.hidden = alone;
    this.captions.latents.textContent = header.caption;
    this.chain.textContent = `Chain ${chain}`;
    fillChooser(this.chooser, header.curves.filter(({ key }) => shared.has(key)), curve);
    fillLegend(this.legend, header.arrows, scales, colors);
    this.curves.drawLines(trajectory, last, chain, curve, range, colors, unit);
  }

  // What changes with the record.
  draw(record, { chain, colors, unit }) {
    const { header, columns } = this.trajectory;
    const chains = header.n > 1 ? `${header.n} chains` : "1 chain";
    this.captions.many.textContent = `Decoded g(z) of ${chains} at ${unit} ${columns.steps[record]}`;
    this.decoded.draw(this.trajectory, record, chain, colors);
    this.latents.draw(this.trajectory, record, chain, colors, this.scales);
    this.curves.drawMarker(this.trajectory, record, chain, colors);
    this.numbers.draw(this.trajectory, record, chain);
  }
}

function fillChooser(select, curves, chosen) {
  const keys = curves.map(({ key }) => key).join();
  if (select.dataset.keys !== keys) {
    select.replaceChildren(...curves.map(({ key, label }) => new Option(label, key)));
    select.dataset.keys = keys;
  }
  select.value = chosen;
  select.title = curves.find(({ key }) => key === chosen).help;
}

// The arrows' colours and how much they are enlarged.
function fillLegend(legend, arrows, scales, colors) {
  const keys = arrows.map(({ name, term }) => {
    const key = document.createElement("span");
    key.className = "key";
    key.style.borderColor = colors[term] ?? colors.text;
    const scale = scales[kindOf(term)];
    return [key, scale > 1 ? `${name} ×${scale}` : name];
  });
  legend.replaceChildren(...(keys.length > 0 ? ["Parts of the next step: "] : []), ...keys.flat());
}
