// The drawing: nodes and edges in one group that is moved and scaled; hovering, focus and keys.
// While a hand moves it, the picture as last drawn slides and scales (which costs a frame nothing); it is drawn anew at rest.
const SVG = "http://www.w3.org/2000/svg";

function make(name, attributes, ...children) {
  const one = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) one.setAttribute(key, value);
  one.append(...children);
  return one;
}

function cut(text, width, letter) {
  const room = Math.floor((width - 10) / letter);
  return text.length <= room ? text : text.slice(0, room - 1) + "…";
}

class View {
  constructor(canvas, net, events) {
    Object.assign(this, { canvas, net, events, scale: 1, x: 0, y: 0, elements: new Map() });
    this.stage = make("g", {});
    this.sheet = make("svg", {}, this.stage);
    canvas.append(this.sheet);
    this.listen();
  }

  draw(colours) {
    this.picture = layout(this.net);
    const { drawn, edges, frames } = this.picture;
    this.elements.clear();
    const parts = [];
    for (const frame of frames) {
      const corner = { x: frame.x - frame.width / 2, y: frame.y - frame.height / 2 };
      parts.push(make("rect", { class: "box", ...corner, width: frame.width, height: frame.height, rx: 8 }));
      const name = make("text", { class: "boxname", x: corner.x + 6, y: corner.y - 4, role: "button", tabindex: 0 }, "▾ " + frame.model);
      name.addEventListener("click", () => this.events.fold(frame.model));
      name.addEventListener("keydown", (event) => { if (event.key === "Enter") this.events.fold(frame.model); });
      parts.push(name);
    }
    this.lines = edges.map((edge) => {
      const [first, ...rest] = edge.points;
      const line = make("path", { class: "edge" + (edge.dropped ? " dropped" : ""), d: `M${first.x},${first.y}` + rest.map((p) => `L${p.x},${p.y}`).join(""), "marker-end": "url(#tip)" });
      parts.push(line);
      const xs = edge.points.map((p) => p.x), ys = edge.points.map((p) => p.y);
      const box = { left: Math.min(...xs), right: Math.max(...xs), top: Math.min(...ys), bottom: Math.max(...ys) };
      return { ...edge, line, box };
    });
    for (const thing of drawn.values()) parts.push(this.node(thing));
    const tip = make("marker", { id: "tip", viewBox: "0 0 8 8", refX: 7, refY: 4, markerWidth: 6, markerHeight: 6, orient: "auto" },
      make("path", { d: "M0,0L8,4L0,8z", fill: "var(--line)" }));
    this.stage.replaceChildren(make("defs", {}, tip), ...parts);
    this.out = new Map(); this.in = new Map();
    for (const edge of edges) {
      this.out.set(edge.from, [...(this.out.get(edge.from) || []), edge.to]);
      this.in.set(edge.to, [...(this.in.get(edge.to) || []), edge.from]);
    }
    const first = drawn.values().next().value;
    if (first) this.elements.get(first.key).setAttribute("tabindex", 0);
    this.paint(colours);
    this.move();
  }

  node(thing) {
    const node = thing.key.startsWith("stage") ? null : this.net.nodes[Number(thing.key)];
    const label = `${thing.name}, ${thing.small}` + (node && node.note ? `, ${node.note}` : "") + (thing.group ? ", folded" : "");
    const one = make("g", { class: "node" + (thing.group ? " group" : "") + (node && node.o === "dropped" ? " dropped" : ""),
      transform: `translate(${thing.x},${thing.y})`, role: "button", tabindex: -1, "aria-label": label, "data-key": thing.key },
      make("rect", { x: -thing.width / 2, y: -18, width: thing.width, height: 36, rx: 5 }),
      make("text", { y: -3 }, cut((thing.group ? "▸ " : "") + thing.name, thing.width, 6.2)),
      make("text", { class: "small", y: 11 }, cut(thing.small, thing.width, 5.2)));
    one.append(make("title", {}, label));
    this.elements.set(thing.key, one);
    return one;
  }

  paint(colours) {
    for (const thing of this.picture.drawn.values()) {
      const [fill, stroke] = colours(thing.members.map((index) => this.net.nodes[index]));
      const rect = this.elements.get(thing.key).firstChild;
      rect.setAttribute("fill", fill);
      rect.setAttribute("stroke", stroke);
    }
  }

  mark(name, indexes) {
    for (const thing of this.picture.drawn.values()) {
      this.elements.get(thing.key).classList.toggle(name, thing.members.some((index) => indexes.has(index)));
    }
  }

  light(key) {
    this.stage.classList.toggle("dim", key !== null);
    if (key === null) return;
    const lit = new Set([key]);
    const walk = (edges) => {
      const waiting = [key], seen = new Set(waiting);
      while (waiting.length) for (const next of edges.get(waiting.pop()) || []) if (!seen.has(next)) { seen.add(next); lit.add(next); waiting.push(next); }
      return seen;
    };
    const after = walk(this.out), before = walk(this.in);
    for (const [one, element] of this.elements) element.classList.toggle("lit", lit.has(one));
    for (const { from, to, line } of this.lines) line.classList.toggle("lit", (after.has(from) && after.has(to)) || (before.has(from) && before.has(to)));
  }

  move() {
    clearTimeout(this.resting);
    this.placed = { x: this.x, y: this.y, scale: this.scale };
    this.sheet.style.transform = "";
    this.sheet.classList.remove("gliding");
    this.stage.setAttribute("transform", `translate(${this.x},${this.y}) scale(${this.scale})`);
    this.stage.classList.toggle("far", this.scale < 0.35);
    if (this.picture.drawn.size > 300) this.cull();
  }

  glide() {
    const ratio = this.scale / this.placed.scale, x = this.x - this.placed.x * ratio, y = this.y - this.placed.y * ratio;
    const outside = (shift, length) => shift > length * ratio / 2 || length - shift > 1.5 * length * ratio;
    if (ratio > 2 || outside(x, this.canvas.clientWidth) || outside(y, this.canvas.clientHeight)) return this.move();
    this.sheet.classList.add("gliding");
    this.sheet.style.transform = `translate(${x}px,${y}px) scale(${ratio})`;
    clearTimeout(this.resting);
    this.resting = setTimeout(() => this.move(), 150);
  }

  // Of a large picture only what is in sight, and half as much on every side, is drawn; what holds the focus stays.
  cull() {
    const width = this.canvas.clientWidth / this.scale, height = this.canvas.clientHeight / this.scale;
    const left = -this.x / this.scale - width / 2 - 160, top = -this.y / this.scale - height / 2 - 30;
    const right = left + 2 * width + 320, bottom = top + 2 * height + 60;
    const hide = (one, element, off) => { if (one.off !== off) { one.off = off; element.style.display = off ? "none" : ""; } };
    for (const thing of this.picture.drawn.values()) {
      const element = this.elements.get(thing.key);
      const kept = element.getAttribute("tabindex") === "0";
      hide(thing, element, !kept && (thing.x < left || thing.x > right || thing.y < top || thing.y > bottom));
    }
    for (const line of this.lines) {
      const { box } = line;
      hide(line, line.line, box.right < left || box.left > right || box.bottom < top || box.top > bottom);
    }
  }

  zoom(factor, x = this.canvas.clientWidth / 2, y = this.canvas.clientHeight / 2) {
    const scale = Math.min(4, Math.max(0.01, this.scale * factor));
    this.x = x - (x - this.x) * scale / this.scale;
    this.y = y - (y - this.y) * scale / this.scale;
    this.scale = scale;
    this.glide();
  }

  whole(least = 0) {
    const { width, height } = this.picture;
    this.scale = Math.max(least, Math.min(1.5, this.canvas.clientWidth / width, this.canvas.clientHeight / height));
    const first = this.picture.drawn.values().next().value;
    const middle = least && first && width * this.scale > this.canvas.clientWidth ? first.x : width / 2;
    this.x = this.canvas.clientWidth / 2 - middle * this.scale;
    this.y = least && height * this.scale > this.canvas.clientHeight ? 0 : (this.canvas.clientHeight - height * this.scale) / 2;
    this.move();
  }

  centre(key) {
    const thing = this.picture.drawn.get(key);
    if (!thing) return;
    if (this.scale < 0.5) this.scale = 0.9;
    this.x = this.canvas.clientWidth / 2 - thing.x * this.scale;
    this.y = this.canvas.clientHeight / 2 - thing.y * this.scale;
    this.move();
  }

  focus(key) {
    for (const element of this.elements.values()) element.setAttribute("tabindex", -1);
    const element = this.elements.get(key);
    element.setAttribute("tabindex", 0);
    this.keepInSight(this.picture.drawn.get(key));
    element.focus({ preventScroll: true });
  }

  keepInSight(thing) {
    const x = thing.x * this.scale + this.x, y = thing.y * this.scale + this.y;
    if (x < 40 || y < 40 || x > this.canvas.clientWidth - 40 || y > this.canvas.clientHeight - 40) this.centre(thing.key);
  }

  step(key, way) {
    if (way === "ArrowDown" || way === "ArrowUp") {
      const next = ((way === "ArrowDown" ? this.out : this.in).get(key) || [])[0];
      if (next !== undefined) this.focus(next);
      return;
    }
    const here = this.picture.drawn.get(key);
    const row = [...this.picture.drawn.values()].filter((thing) => Math.abs(thing.y - here.y) < 20).sort((a, b) => a.x - b.x);
    const next = row[row.indexOf(here) + (way === "ArrowRight" ? 1 : -1)];
    if (next) this.focus(next.key);
  }

  listen() {
    const canvas = this.canvas;
    const keyOf = (event) => { const node = event.target.closest && event.target.closest(".node"); return node ? node.dataset.key : null; };
    let from = null, moved = false;
    canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      const box = canvas.getBoundingClientRect();
      this.zoom(Math.exp(-event.deltaY * 0.0015), event.clientX - box.left, event.clientY - box.top);
    }, { passive: false });
    canvas.addEventListener("pointerdown", (event) => { from = { x: event.clientX - this.x, y: event.clientY - this.y }; moved = false; });
    window.addEventListener("pointermove", (event) => {
      if (!from) return;
      const x = event.clientX - from.x, y = event.clientY - from.y;
      if (Math.abs(x - this.x) + Math.abs(y - this.y) > 4) moved = true;
      if (moved) { this.x = x; this.y = y; canvas.classList.add("moving"); this.glide(); }
    });
    window.addEventListener("pointerup", () => { from = null; canvas.classList.remove("moving"); });
    canvas.addEventListener("click", (event) => { if (!moved && keyOf(event) !== null) this.events.choose(keyOf(event), event.shiftKey || event.ctrlKey || event.metaKey); });
    canvas.addEventListener("dblclick", (event) => { if (keyOf(event) !== null) this.events.unfold(keyOf(event)); });
    canvas.addEventListener("pointerover", (event) => { if (!from) this.light(keyOf(event)); });
    canvas.addEventListener("pointerleave", () => this.light(null));
    canvas.addEventListener("keydown", (event) => {
      const key = keyOf(event);
      if (key === null) return;
      if (event.key.startsWith("Arrow")) this.step(key, event.key);
      else if (event.key === "Enter") this.events.choose(key, event.shiftKey);
      else if (event.key === " ") this.events.choose(key, true);
      else if (event.key === "f") this.events.unfold(key);
      else return;
      event.preventDefault();
    });
  }
}
