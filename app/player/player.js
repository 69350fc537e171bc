// The trajectory player: it holds every record the server has sent and draws from that alone.
// Playing, scrubbing and following a chain never wait for the server, which is asked only for
// records that do not exist yet. Data reaches the page through textContent and canvases.

const AHEAD = 30; // records to ask for before playing runs out of them
const PATIENCE = 5_000; // ms to wait for an answer before asking again
const REST = 400; // ms without a move after which the server is told what is looked at
const LEAVE = 100; // the same where the pointer leaves; Streamlit sends what changes within 20 ms as
// one message, and a control that is turned together with the player would not be heard
const FAR = 20; // records to wait for, of which the message speaks
const players = new WeakMap();

export default function (component) {
  const { parentElement, data } = component;
  let player = players.get(parentElement);
  if (!player?.standsIn(parentElement)) {
    player = new Player(parentElement);
    players.set(parentElement, player);
  }
  player.wake();
  player.commit = (view) => component.setStateValue("view", view);
  player.request = (message) => component.setTriggerValue("request", message);
  if (data) player.receive(data);
  return () => player.rest();
}

class Player {
  constructor(root) {
    const find = (selector) => root.querySelector(selector);
    this.section = find(".player");
    this.slider = find(".scrub input");
    this.counter = find(".counter");
    this.speed = find(".speed select");
    this.message = find(".message");
    this.stage = find(".tracks");
    this.template = find("template");
    this.buttons = {};
    for (const button of root.querySelectorAll("button")) this.buttons[button.className] = button;
    this.trajectories = [];
    this.views = [];
    this.position = 0; // the record that is shown
    this.wanted = 0; // the record that was asked for; perhaps it does not exist yet
    this.chain = 0;
    this.curve = "";
    this.asked = -Infinity; // when; an answer that got lost does not hold things up for long
    this.asking = null; // the timer that asks again
    this.said = ""; // the view the server was told, until it says it back
    this.saying = null; // the timer that tells it again
    this.playing = null;
    this.awake = false;
    this.goesOn = false; // whether it was playing when it was laid to rest
    this.listen();
  }

  // Whether what it draws on is still there.
  standsIn(root) {
    return root.contains(this.section);
  }

  listen() {
    const moves = { start: -Infinity, back: -1, one: 1, ten: 10, hundred: 100 };
    for (const [name, by] of Object.entries(moves)) {
      this.buttons[name].addEventListener("click", () => this.goTo(this.position + by));
    }
    this.buttons.play.addEventListener("click", () => this.togglePlay());
    this.slider.addEventListener("input", () => this.goTo(Number(this.slider.value)));
    this.section.addEventListener("keydown", (event) => this.onKey(event));
    this.section.addEventListener("pointerleave", () => {
      if (this.committing) this.commitSoon(LEAVE);
    });
    this.resizes = new ResizeObserver(() => this.redraw());
  }

  // Streamlit lays a component to rest when it goes, and now and then only to mount it again on
  // the same elements at once: then it goes on, with its records and what was asked for.
  rest() {
    this.awake = false;
    this.goesOn = this.playing !== null;
    this.pause();
    clearTimeout(this.committing);
    this.committing = null;
    clearTimeout(this.asking);
    clearTimeout(this.saying);
    this.resizes.disconnect();
  }

  wake() {
    if (this.awake) return;
    this.awake = true;
    this.asked = -Infinity;
    this.resizes.observe(this.section);
    if (this.goesOn) this.play();
  }

  // The last record that every track holds, and the last there can be.
  get last() {
    return Math.min(...this.trajectories.map(({ last }) => last));
  }

  get limit() {
    return Math.min(...this.trajectories.map(({ header }) => header.limit));
  }

  get ready() {
    return this.trajectories.length > 0 && this.last >= 0;
  }

  receive(bytes) {
    const { tracks, view, unit } = parse(bytes);
    const held = this.trajectories.map(({ length }) => length);
    const isNew = this.trajectories[0]?.id !== tracks[0].id;
    if (isNew) this.open(view, tracks[0].n);
    if (isNew || JSON.stringify(view) === this.said) clearTimeout(this.saying);
    const known = new Map(this.trajectories.map((trajectory) => [trajectory.id, trajectory]));
    this.trajectories = tracks.map(({ id }) => known.get(id) ?? new Trajectory(id));
    this.unit = unit;
    const whole = this.trajectories.map((trajectory, i) => trajectory.append(tracks[i]));
    if (whole.includes(false)) {
      this.asked = -Infinity;
      this.ask(this.wanted); // these bytes continue records that this browser does not hold
      return;
    }
    const grew = this.trajectories.some(({ length }, i) => length !== held[i]);
    if (grew) this.asked = -Infinity;
    this.wanted = Math.min(this.wanted, this.limit);
    if (isNew && this.limit < 60) this.speed.value = "5"; // a short track would be over at once
    if (!this.playing) this.position = Math.min(this.wanted, this.last);
    if (isNew) this.grows = this.last < this.limit;
    this.arrange();
    this.redraw();
    if (this.wanted > this.last) this.ask(this.wanted);
    else if (grew && !isNew) this.commitSoon();
  }

  // Forget what was looked at before.
  open(view, n) {
    this.pause();
    clearTimeout(this.committing);
    this.committing = null;
    this.position = 0;
    this.wanted = view.step;
    this.chain = Math.min(view.chain, n - 1);
    this.curve = view.curve;
  }

  // One view a track.
  arrange() {
    while (this.views.length < this.trajectories.length) {
      const element = this.template.content.firstElementChild.cloneNode(true);
      const view = new TrackView(element);
      view.listen({
        follow: (...parts) => this.follow(...parts),
        goTo: (record) => this.goTo(record),
        choose: (curve) => this.choose(curve),
      });
      this.views.push(view);
      this.stage.append(element);
    }
    while (this.views.length > this.trajectories.length) this.views.pop().element.remove();
    const key = this.trajectories.map(({ id }) => id).join();
    if (this.scaledFor !== key) {
      this.scaledFor = key;
      this.scales = arrowScales(this.trajectories);
    }
    const [{ header }] = this.trajectories;
    const everywhere = ({ key }) => this.trajectories.every(({ columns }) => key in columns);
    this.shared = new Set(header.curves.filter(everywhere).map(({ key }) => key));
    if (!this.shared.has(this.curve)) [this.curve] = this.shared;
  }

  // Ask for the records up to this one; asked twice, it does no more than once.
  ask(record) {
    if (performance.now() - this.asked < PATIENCE) return;
    this.asked = performance.now();
    this.request({ to: record, have: this.trajectories.map(({ length }) => length) });
    clearTimeout(this.asking);
    this.asking = setTimeout(() => {
      if (this.wanted > this.last) this.ask(this.wanted); // a busy server may have lost it
    }, PATIENCE + 100);
  }

  // Show a record; if it does not exist yet, ask for it.
  goTo(record) {
    if (!this.ready) return;
    this.pause();
    this.wanted = Math.max(0, Math.min(record, this.limit));
    this.position = Math.min(this.wanted, this.last);
    this.draw();
    if (this.wanted > this.last) this.ask(this.wanted);
    else this.commitSoon();
  }

  togglePlay() {
    if (this.playing) {
      this.pause();
      this.commitSoon();
    } else if (this.ready) {
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
      const { last, limit } = this;
      if (owed >= 1) {
        this.position = this.wanted = Math.min(this.position + Math.floor(owed), last);
        owed %= 1;
        this.draw();
      }
      if (this.position >= limit) this.togglePlay();
      else if (last - this.position < AHEAD && last < limit) this.ask(last + AHEAD);
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
  commitSoon(rest = REST) {
    clearTimeout(this.committing);
    this.committing = setTimeout(() => this.commitNow(), rest);
  }

  // What was said before is not said again.
  commitNow() {
    if (!this.committing || this.playing) return;
    clearTimeout(this.committing);
    this.committing = null;
    this.say({ step: this.position, chain: this.chain, curve: this.curve });
  }

  // Told again, as often as this, until the server says it back: a busy one may lose it.
  say(view, tries = 3) {
    this.said = JSON.stringify(view);
    this.commit(view);
    clearTimeout(this.saying);
    if (tries > 1) this.saying = setTimeout(() => this.say(view, tries - 1), PATIENCE);
  }

  onKey(event) {
    const { target, key, shiftKey } = event;
    if (target === this.slider || target.tagName === "SELECT") return;
    const far = shiftKey ? 10 : 1;
    if (key === "ArrowRight") this.goTo(this.position + far);
    else if (key === "ArrowLeft") this.goTo(this.position - far);
    else if (key === "Home") this.goTo(0);
    else if (key === "[") this.followChain(this.chain - 1);
    else if (key === "]") this.followChain(this.chain + 1);
    else if (key === " " && target === this.section) this.togglePlay();
    else return;
    event.preventDefault();
  }

  follow({ trajectory }, panel, event) {
    this.followChain(panel.chainAt(trajectory, this.position, event));
  }

  followChain(chain) {
    const n = Math.min(...this.trajectories.map(({ header }) => header.n));
    if (!this.ready || chain < 0 || chain >= n) return;
    this.chain = chain;
    this.redraw();
    this.commitSoon();
  }

  choose(curve) {
    this.curve = curve;
    this.redraw();
    this.commitSoon();
  }

  // Draw all, after a change of data, size, theme, followed chain or curve.
  redraw() {
    if (!this.ready) return;
    this.colors = readColors(this.section);
    const ranges = this.trajectories.map((trajectory) => trajectory.range(this.curve));
    const shared = {
      ...this,
      last: this.last,
      range: [Math.min(...ranges.map(([low]) => low)), Math.max(...ranges.map(([, high]) => high))],
      alone: this.views.length === 1,
    };
    this.views.forEach((view, i) => view.redraw(this.trajectories[i], shared));
    this.draw();
  }

  // Draw what changes with the record.
  draw() {
    if (getComputedStyle(this.section).color !== this.colors.text) {
      this.redraw();
      return;
    }
    const { last, limit, position } = this;
    const { steps } = this.trajectories[0].columns;
    this.slider.max = last;
    this.slider.value = position;
    this.counter.textContent = `${this.unit} ${steps[position]} of ${steps[last]}`;
    this.slider.setAttribute("aria-valuetext", this.counter.textContent);
    this.counter.dataset.step = position;
    for (const name of ["one", "ten", "hundred", "play"]) {
      this.buttons[name].disabled = position >= limit;
    }
    for (const name of ["back", "start"]) this.buttons[name].disabled = position === 0;
    for (const view of this.views) view.draw(position, this);
    this.message.textContent = this.warning();
  }

  warning() {
    const { last, limit, position, chain } = this;
    const failures = this.trajectories.flatMap((trajectory) => trajectory.failures(position));
    const followed = failures.find((failure) => failure.chain === chain) ?? failures[0];
    const count = failures.length;
    if (count > 2) return `${count} chains were stopped; ${followed.sentence}.`;
    if (count > 0) return `Stopped: ${failures.map(({ sentence }) => sentence).join("; ")}.`;
    if (this.wanted >= last + FAR) return `Taking steps up to ${this.wanted} …`;
    if (!this.grows || position < limit) return "";
    return `This page keeps ${limit} steps; fewer chains may go further.`;
  }
}
