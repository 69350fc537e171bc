// The trajectory player: it holds every step the server has sent and draws from that alone.
// Playing, scrubbing and following a chain never wait for the server, which is asked only for
// steps that nobody has taken yet. Data reaches the page through textContent and canvases.

const AHEAD = 30; // steps to ask for before playing runs out of them
const players = new WeakMap();

export default function (component) {
  const { parentElement, data } = component;
  let player = players.get(parentElement);
  if (!player) {
    player = new Player(parentElement);
    players.set(parentElement, player);
  }
  player.commit = (view) => component.setStateValue("view", view);
  player.request = (message) => component.setTriggerValue("request", message);
  if (data) player.receive(data);
  return () => {
    player.destroy();
    players.delete(parentElement);
  };
}

class Player {
  constructor(root) {
    const find = (selector) => root.querySelector(selector);
    this.section = find(".player");
    this.slider = find(".scrub input");
    this.counter = find(".counter");
    this.speed = find(".speed select");
    this.message = find(".message");
    this.details = find("dl");
    this.buttons = {};
    for (const button of root.querySelectorAll("button")) this.buttons[button.className] = button;
    const [many, one] = [find("figure.many"), find("figure.one-chain")];
    this.examples = { images: new Pictures(many, one), plane: new Plane(many, one) };
    this.profile = new Profile(find("figure.profile"));
    this.trajectory = null;
    this.position = 0; // the step that is shown
    this.wanted = 0; // the step that was asked for, perhaps not taken yet
    this.chain = 0;
    this.waiting = false;
    this.playing = null;
    this.listen(many.querySelector("canvas"), this.profile.canvas);
  }

  listen(many, profile) {
    const moves = { start: -Infinity, back: -1, one: 1, ten: 10, hundred: 100 };
    for (const [name, by] of Object.entries(moves)) {
      this.buttons[name].addEventListener("click", () => this.goTo(this.position + by));
    }
    this.buttons.play.addEventListener("click", () => this.togglePlay());
    this.slider.addEventListener("input", () => this.goTo(Number(this.slider.value)));
    this.section.addEventListener("keydown", (event) => this.onKey(event));
    many.addEventListener("click", (event) => this.onPick(event));
    profile.addEventListener("pointerdown", (event) => {
      profile.setPointerCapture(event.pointerId);
      this.goTo(this.profile.stepAt(event));
    });
    profile.addEventListener("pointermove", (event) => {
      if (event.buttons) this.goTo(this.profile.stepAt(event));
    });
    this.resizes = new ResizeObserver(() => this.redraw());
    this.resizes.observe(this.section);
  }

  destroy() {
    this.pause();
    clearTimeout(this.committing);
    this.resizes.disconnect();
  }

  receive(bytes) {
    const { header, columns } = parse(bytes);
    const isNew = !this.trajectory?.length || this.trajectory.header.id !== header.id;
    if (isNew) {
      this.pause();
      this.trajectory = new Trajectory(header);
    }
    const held = this.trajectory.length;
    this.waiting = false;
    if (!this.trajectory.append(header, columns)) {
      this.ask(header.first); // these bytes continue steps that this browser does not hold
      return;
    }
    this.trajectory.header.failures = header.failures;
    if (isNew) {
      this.position = this.wanted = Math.min(header.view.step, this.trajectory.last);
      this.chain = Math.min(header.view.chain, header.n - 1);
    } else if (!this.playing) {
      this.position = Math.min(this.wanted, this.trajectory.last);
    }
    if (isNew || this.trajectory.length > held) this.redraw();
    if (this.wanted > this.trajectory.last) this.ask(this.wanted);
    else if (!isNew) this.commitSoon();
  }

  // Ask for the records up to this step; asked twice, it does no more than once.
  ask(step) {
    if (this.waiting) return;
    this.waiting = true;
    this.request({ to: step, have: this.trajectory.length });
  }

  // Show a step; if nobody has taken it yet, ask for it.
  goTo(step) {
    if (!this.trajectory?.length) return;
    this.pause();
    this.wanted = Math.max(0, Math.min(step, this.trajectory.header.limit));
    this.position = Math.min(this.wanted, this.trajectory.last);
    this.draw();
    if (this.wanted > this.trajectory.last) this.ask(this.wanted);
    else this.commitSoon();
  }

  togglePlay() {
    if (this.playing) {
      this.pause();
      this.commitSoon();
    } else if (this.trajectory?.length) {
      this.play();
    }
  }

  play() {
    let shown = performance.now();
    let owed = 0;
    const tick = (now) => {
      this.playing = requestAnimationFrame(tick);
      owed += ((now - shown) / 1000) * Number(this.speed.value);
      shown = now;
      const { last, header } = this.trajectory;
      if (owed >= 1) {
        this.position = this.wanted = Math.min(this.position + Math.floor(owed), last);
        owed %= 1;
        this.draw();
      }
      if (this.position >= header.limit) this.togglePlay();
      else if (last - this.position < AHEAD && last < header.limit) this.ask(last + AHEAD);
    };
    this.playing = requestAnimationFrame(tick);
    this.buttons.play.textContent = "Pause";
  }

  pause() {
    cancelAnimationFrame(this.playing);
    this.playing = null;
    this.buttons.play.textContent = "Play";
  }

  // Tell the server what is looked at, once the hand rests.
  commitSoon() {
    clearTimeout(this.committing);
    this.committing = setTimeout(() => {
      if (!this.playing) this.commit({ step: this.position, chain: this.chain });
    }, 400);
  }

  onKey(event) {
    const { target, key, shiftKey } = event;
    if (target === this.speed || target === this.slider) return;
    const far = shiftKey ? 10 : 1;
    if (key === "ArrowRight") this.goTo(this.position + far);
    else if (key === "ArrowLeft") this.goTo(this.position - far);
    else if (key === "Home") this.goTo(0);
    else if (key === " " && target === this.section) this.togglePlay();
    else return;
    event.preventDefault();
  }

  onPick({ target, offsetX, offsetY }) {
    if (!this.trajectory?.length) return;
    const [x, y] = [offsetX / target.clientWidth, offsetY / target.clientHeight];
    const chain = this.view.chainAt(this.trajectory, this.position, x, y);
    if (chain >= this.trajectory.header.n) return;
    this.chain = chain;
    this.redraw();
    this.commitSoon();
  }

  get view() {
    return this.examples[this.trajectory.header.kind];
  }

  // Draw all, after a change of data, size, theme or followed chain.
  redraw() {
    if (!this.trajectory?.length) return;
    const style = getComputedStyle(this.section);
    this.theme = style.color;
    this.colors = {
      text: style.color,
      selected: style.getPropertyValue("--selected").trim(),
      median: style.getPropertyValue("--st-primary-color").trim(),
      dark: isLight(style.color),
    };
    this.profile.drawCurves(this.trajectory, this.chain, this.colors);
    this.draw();
  }

  // Draw what changes with the step.
  draw() {
    if (getComputedStyle(this.section).color !== this.theme) {
      this.redraw();
      return;
    }
    const { header, last } = this.trajectory;
    this.slider.max = last;
    this.slider.value = this.position;
    this.counter.textContent = `step ${this.position} of ${last}`;
    this.counter.dataset.step = this.position;
    for (const name of ["one", "ten", "hundred", "play"]) {
      this.buttons[name].disabled = this.position >= header.limit;
    }
    for (const name of ["back", "start"]) this.buttons[name].disabled = this.position === 0;
    this.section.dataset.kind = header.kind;
    this.view.draw(this.trajectory, this.position, this.chain, this.colors);
    this.profile.drawMarker(this.trajectory, this.position, this.chain, this.colors);
    this.describe();
  }

  // Numbers of the followed chain, and what went wrong.
  describe() {
    const { header } = this.trajectory;
    const at = (name) => this.trajectory.value(name, this.position, this.chain);
    const ofStep = (name) => (this.position === 0 ? NaN : at(name));
    const rows = [
      ["Followed chain", this.chain, "Click another in the grid"],
      ["Energy −f(z)", at("energy"), "Minus the network's output; lower is likelier than under N(0, I)"],
      ["Median energy", this.trajectory.medianEnergy(this.position), "Over all chains"],
      ["½‖z‖²", at("half_sq_norm"), "Minus the log density of N(0, I), up to a constant"],
      ["Drift ‖s∇log p‖", ofStep("drift"), "Length of the last step's pull uphill"],
      ["Noise ‖√(2sT) ε‖", ofStep("diffusion"), "Length of the last step's random kick"],
      ["Move ‖Δz‖", ofStep("displacement"), "Length of the last step, drift and noise together"],
    ];
    if (this.details.childElementCount === 0) {
      for (const [label, , help] of rows) {
        const [term, value] = [document.createElement("dt"), document.createElement("dd")];
        term.textContent = label;
        term.title = help;
        this.details.append(term, value);
      }
    }
    const shown = (value) => (Number.isInteger(value) ? String(value) : value.toFixed(3));
    rows.forEach(([, value], i) => {
      const text = Number.isFinite(value) ? shown(value).replace("-", "−") : "–";
      this.details.children[2 * i + 1].textContent = text;
    });
    this.message.textContent = warning(header, this.position);
  }
}

function warning({ failures, limit, n }, position) {
  const failed = Object.values(failures);
  if (failed.length > 2) return `${failed.length} chains were stopped; the first: ${failed[0]}.`;
  if (failed.length > 0) return `Stopped: ${failed.join("; ")}.`;
  if (position >= limit) {
    return `This page keeps ${limit} steps of ${n} chains. Take fewer chains to go further.`;
  }
  return "";
}

function isLight(color) {
  const [red, green, blue] = color.match(/[\d.]+/g).map(Number);
  return 0.299 * red + 0.587 * green + 0.114 * blue > 128;
}
