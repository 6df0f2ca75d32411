// The page: search, colours, folding, selection.
const data = JSON.parse(document.getElementById("data").textContent);
const net = new Network(data);
const byId = (name) => document.getElementById(name);
const panel = byId("panel"), found = byId("found"), where = byId("where");
let chosen = new Set(), matches = new Set(), turn = 0, way = data.colours[0].name;

byId("title").textContent = data.title;
for (const colour of data.colours) byId("colour").append(element("option", colour.text)), byId("colour").lastChild.value = colour.name;

const STAGES = ["#CFE3F1", "#F9E79F", "#BDE5D0", "#F3C9B5", "#E3CFE8", "#CFE8E8", "#E8E0C8", "#D6DAE8"];
const HEAT = ["#F2F0F7", "#DADAEB", "#BCBDDC", "#9E9AC8", "#807DBA"];
const most = Math.max(1, ...net.nodes.map((node) => (node.x ? 0 : node.n.macs || 0)));

function heat(nodes) {
  const macs = Math.max(0, ...nodes.map((node) => (node.x && nodes.length > 1 ? 0 : node.n.macs || 0)));
  return macs ? Math.min(4, Math.max(0, 4 + Math.ceil(Math.log(macs / most) / Math.log(4)))) : 0;
}

function colours(nodes) {
  if (way === "stage") return [STAGES[nodes[0].s % STAGES.length], "#777777"];
  if (way === "macs") return [HEAT[heat(nodes)], "#54278F"];
  const roles = nodes.map((node) => (way === "origin" ? node.o : { yes: "trains", no: "still" }[node.t.trainable] || "plain"));
  const name = data.order.find((one) => roles.includes(one)) || roles[0];
  return data.palette[name] || data.palette.plain;
}

function legend() {
  const entries = way === "stage" ? [...net.stages].map(([stage, members]) => [STAGES[stage % STAGES.length], "#777777", `stride ${net.nodes[members[0]].t.stride}`]) :
    way === "macs" ? HEAT.map((fill, step) => [fill, "#54278F", step === 4 ? "most multiply-accumulates" : step ? "" : "few or none"]) :
      Object.entries(way === "origin" ? data.legend : data.trainable).map(([name, text]) => [...data.palette[name], text]);
  byId("legend").replaceChildren(...entries.map(([fill, stroke, text]) => {
    const swatch = element("i", null);
    swatch.style.background = fill;
    swatch.style.borderColor = stroke;
    return element("li", null, swatch, text);
  }));
}

const view = new View(byId("canvas"), net, { choose, fold, unfold });

function redraw() {
  view.draw(colours);
  view.mark("chosen", chosen);
  view.mark("match", matches);
}

function choose(key, add) {
  const members = view.picture.drawn.get(key).members;
  const before = add ? chosen : new Set();
  const all = members.every((index) => before.has(index));
  chosen = new Set(add && all ? [...before].filter((index) => !members.includes(index)) : [...before, ...members]);
  view.mark("chosen", chosen);
  if (chosen.size === 1) showCall(panel, net, [...chosen][0]);
  else if (!key.startsWith("stage") && !add) showCall(panel, net, Number(key));
  else if (chosen.size) showSelection(panel, net, chosen, "");
  else panel.replaceChildren();
}

function fold(name) { net.folded.add(name); redraw(); pressed(); }

function unfold(key) {
  const name = key.startsWith("stage") ? key : net.nodes[Number(key)].a;
  if (net.folded.has(name)) net.folded.delete(name);
  else if (!key.startsWith("stage")) net.folded.add(net.nodes[Number(key)].m || "stage " + net.nodes[Number(key)].s);
  redraw();
  pressed();
}

function pressed() {
  byId("stages").setAttribute("aria-pressed", [...net.stages.keys()].every((stage) => net.folded.has("stage " + stage)));
  byId("models").setAttribute("aria-pressed", net.models.every((model) => net.folded.has(model)));
}

function toggle(names) {
  const all = names.every((name) => net.folded.has(name));
  for (const name of names) if (all) net.folded.delete(name); else net.folded.add(name);
  redraw();
  view.whole(0.3);
  pressed();
}

function search() {
  const text = where.value.trim();
  found.className = "";
  matches = new Set();
  turn = 0;
  found.textContent = "";
  if (text) {
    try {
      matches = compileWhere(text, net);
      found.textContent = `${matches.size} of ${net.nodes.filter((node) => node.o !== "dropped").length} calls`;
    } catch (error) {
      found.textContent = error.message;
      found.className = "wrong";
    }
  }
  view.mark("match", matches);
}

function next() {
  search.last === where.value || search();
  if (!matches.size) return;
  chosen = new Set(matches);
  view.mark("chosen", chosen);
  showSelection(panel, net, chosen, where.value.trim());
  const places = [...new Set([...matches].map((index) => net.shown(index)).filter((key) => key !== null))];
  if (places.length) view.centre(places[turn++ % places.length]);
}

where.addEventListener("input", () => { search(); search.last = where.value; });
byId("search").addEventListener("submit", (event) => { event.preventDefault(); next(); });
byId("colour").addEventListener("change", (event) => { way = event.target.value; view.paint(colours); legend(); });
byId("stages").addEventListener("click", () => toggle([...net.stages.keys()].map((stage) => "stage " + stage)));
byId("models").addEventListener("click", () => toggle(net.models));
byId("models").hidden = !net.models.length;
byId("smaller").addEventListener("click", () => view.zoom(1 / 1.3));
byId("larger").addEventListener("click", () => view.zoom(1.3));
byId("whole").addEventListener("click", () => view.whole());
byId("theme").addEventListener("click", () => theme(document.documentElement.dataset.theme === "dark" ? "light" : "dark"));
document.addEventListener("keydown", (event) => {
  if (/INPUT|SELECT|TEXTAREA/.test(event.target.tagName)) { if (event.key === "Escape") event.target.blur(); return; }
  const act = { "/": () => where.focus(), "+": () => view.zoom(1.3), "-": () => view.zoom(1 / 1.3), "0": () => view.whole(),
    Escape: () => { chosen = new Set(); view.mark("chosen", chosen); panel.replaceChildren(); view.light(null); } }[event.key];
  if (act) { act(); event.preventDefault(); }
});

function theme(name) {
  document.documentElement.dataset.theme = name;
  byId("theme").textContent = name === "dark" ? "Light" : "Dark";
}

theme(matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
if (net.nodes.length > 3000) for (const stage of net.stages.keys()) net.folded.add("stage " + stage);
redraw();
view.whole(0.75);
legend();
pressed();
if (data.where) { where.value = data.where; search(); search.last = where.value; }
window.network = { select: (text) => [...compileWhere(text, net)].sort((a, b) => a - b).map((index) => net.nodes[index].a) };
document.documentElement.dataset.ready = "yes";
