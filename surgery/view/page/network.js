// The network of the page: nodes, edges, and what is seen of them when stages and nested models are folded.
class Network {
  constructor(data) {
    this.nodes = data.nodes;
    this.index = new Map(this.nodes.map((node, index) => [node.a, index]));
    this.edges = data.edges;
    this.parents = this.nodes.map(() => []);
    this.children = this.nodes.map(() => []);
    for (const [a, b] of this.edges) { this.children[a].push(b); this.parents[b].push(a); }
    this.models = this.nodes.filter((node) => node.x).map((node) => node.a);
    this.stages = new Map();
    this.nodes.forEach((node, index) => {
      if (node.o === "dropped") return;
      if (!this.stages.has(node.s)) this.stages.set(node.s, []);
      this.stages.get(node.s).push(index);
    });
    this.folded = new Set(this.models);
  }

  reach(start, edges) {
    const seen = new Set(start), waiting = [...start];
    while (waiting.length) for (const next of edges[waiting.pop()]) if (!seen.has(next)) { seen.add(next); waiting.push(next); }
    return seen;
  }

  // Which drawn thing stands for a node: itself, the folded model or stage around it; null for an unfolded model.
  shown(index) {
    const node = this.nodes[index];
    if (node.o !== "dropped" && this.folded.has("stage " + node.s)) return "stage " + node.s;
    const parts = this.around(node);
    const outer = parts.find((model) => this.folded.has(model));
    if (outer) return String(this.index.get(outer));
    return node.x && !this.folded.has(node.a) ? null : String(index);
  }

  around(node) {
    const models = [];
    for (let model = node.m; model && this.index.has(model); model = this.nodes[this.index.get(model)].m) models.unshift(model);
    return models;
  }

  // The drawn things and the edges between them; those of an unfolded model begin and end inside it.
  visible() {
    const stands = this.nodes.map((node, index) => this.shown(index));
    const things = new Map();
    stands.forEach((key, index) => { if (key !== null) { if (!things.has(key)) things.set(key, []); things.get(key).push(index); } });
    const edges = new Map();
    for (const [a, b] of this.edges) {
      const from = stands[a], to = stands[b];
      if (from === null || to === null || from === to || this.inside(a, b)) continue;
      edges.set(from + ">" + to, { from, to, dropped: [a, b].some((one) => this.nodes[one].o === "dropped") });
    }
    return { things, edges: [...edges.values()] };
  }

  inside(a, b) { return this.nodes[a].a.startsWith(this.nodes[b].a + "/"); }

  // Where the boxes of unfolded models are: thing -> the innermost unfolded model around it.
  boxes(things) {
    const found = new Map();
    for (const key of things.keys()) {
      if (key.startsWith("stage")) continue;
      const open = this.around(this.nodes[Number(key)]).filter((model) => !this.folded.has(model));
      if (open.length) found.set(key, open);
    }
    return found;
  }

  describe(key, members) {
    if (key.startsWith("stage")) {
      const first = this.nodes[members[0]], last = this.nodes[members[members.length - 1]];
      return { name: `${first.a} … ${last.a}`, small: `stage, stride ${first.t.stride}, ${members.length} calls`, group: true };
    }
    const node = this.nodes[Number(key)];
    const name = node.a.startsWith(node.m + "/") ? node.a.slice(node.m.length + 1) : node.m ? node.a.split("/").pop() : node.a;
    return { name, small: `${node.k} ${node.t.output}`, group: node.x };
  }
}

function layout(net) {
  const { things, edges } = net.visible();
  const boxes = net.boxes(things);
  const graph = new dagre.graphlib.Graph({ compound: boxes.size > 0 });
  const ranker = things.size > 1500 ? "longest-path" : things.size > 600 ? "tight-tree" : "network-simplex"; // the best that is quick
  graph.setGraph({ nodesep: 18, ranksep: 26, marginx: 20, marginy: 20, ranker });
  graph.setDefaultEdgeLabel(() => ({}));
  const drawn = new Map();
  for (const [key, members] of things) {
    const text = net.describe(key, members);
    const width = Math.min(300, Math.max(90, 14 + 6.4 * Math.max(text.name.length, text.small.length * 0.85)));
    drawn.set(key, { key, members, ...text, width });
    graph.setNode(key, { width, height: 36 });
  }
  for (const [key, models] of boxes) {
    let inner = key;
    for (const model of [...models].reverse()) { graph.setNode("box " + model, {}); graph.setParent(inner, "box " + model); inner = "box " + model; }
  }
  for (const edge of edges) graph.setEdge(edge.from, edge.to);
  dagre.layout(graph);
  for (const thing of drawn.values()) Object.assign(thing, { x: graph.node(thing.key).x, y: graph.node(thing.key).y });
  for (const edge of edges) edge.points = graph.edge(edge.from, edge.to).points;
  const models = new Set([...boxes.values()].flat());
  const frames = [...models].map((model) => ({ model, ...graph.node("box " + model) })).sort((a, b) => a.model.length - b.model.length);
  return { drawn, edges, frames, width: graph.graph().width, height: graph.graph().height };
}
