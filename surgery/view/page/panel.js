// The side panel: one call in full, or a selection as the lines of Python to copy.
function element(name, text, ...children) {
  const one = document.createElement(name);
  if (text !== null) one.textContent = text;
  one.append(...children);
  return one;
}

function rows(pairs) {
  const table = element("table", null);
  for (const [name, value] of pairs) table.append(element("tr", null, element("th", name), element("td", value)));
  return table;
}

// An address as a selector that means this call alone: quoted where the bare name would mean more, or is no name.
function exact(net, index) {
  const address = net.nodes[index].a;
  const alone = (text) => { try { const found = compileWhere(text, net); return found.size === 1 && found.has(index); } catch (error) { return false; } };
  return [address, `'${address}'`, `"${address}"`].find(alone) || address;
}

function copied(line) {
  const box = element("pre", line);
  const button = element("button", "Copy");
  button.type = "button";
  button.addEventListener("click", async () => {
    try { await navigator.clipboard.writeText(line); }
    catch (error) {
      const area = document.body.appendChild(element("textarea", line));
      area.select();
      document.execCommand("copy");
      area.remove();
    }
    button.textContent = "Copied";
  });
  return element("div", null, box, button);
}

function lines(net, indexes, where) {
  const chosen = [...indexes].filter((index) => net.nodes[index].o !== "dropped");
  if (!chosen.length) return [];
  const text = JSON.stringify(where || chosen.map((index) => exact(net, index)).join(", "));
  const parts = [element("h3", "Python"), copied(`graph = sg.tap(graph, ${text})`), copied(`graph = sg.freeze(graph, ${text})`)];
  if (chosen.length === 1) parts.push(copied(`graph = sg.cut(graph, outputs=${text})`));
  return parts;
}

function shownValue(value) { return typeof value === "string" ? value : JSON.stringify(value); }

function tensor(weight) {
  const parts = [element("div", `${weight.name} (${weight.shape.join(", ")}) ${weight.dtype}`)];
  if (weight.histogram) {
    parts.push(element("div", `mean ${weight.mean}, std ${weight.std}, zeros ${weight.zeros}`));
    if (weight.odd) { const odd = element("div", `${weight.odd} values are no numbers`); odd.className = "odd"; parts.push(odd); }
    const bars = element("div", null), top = Math.max(...weight.histogram);
    bars.className = "bars";
    bars.setAttribute("role", "img");
    bars.setAttribute("aria-label", "histogram of the values");
    for (const count of weight.histogram) { const bar = element("i", null); bar.style.height = 100 * count / top + "%"; bars.append(bar); }
    parts.push(bars);
  }
  return element("li", null, ...parts);
}

function showCall(panel, net, index) {
  const node = net.nodes[index];
  const parents = net.parents[index].filter((one) => !net.inside(one, index)).map((one) => net.nodes[one].a);
  const parts = [element("h2", node.a)];
  if (node.note) parts.push(element("p", node.note));
  parts.push(rows([["class", node.k], ...Object.entries(node.t).filter(([, text]) => text !== "-" && text !== "")]));
  if (parents.length) parts.push(element("h3", "from"), element("div", [...new Set(parents)].join(", ")));
  if (node.w.length) parts.push(element("h3", "weights"), element("ul", null, ...node.w.map(tensor)));
  const config = Object.entries(node.c);
  if (config.length) parts.push(element("h3", "configuration"), rows(config.map(([key, value]) => [key, shownValue(value)])));
  panel.replaceChildren(...parts, ...lines(net, new Set([index]), ""));
}

function showSelection(panel, net, indexes, where) {
  const nodes = [...indexes].map((index) => net.nodes[index]);
  const list = element("ul", null, ...nodes.slice(0, 200).map((node) => element("li", `${node.a} (${node.k})`)));
  const params = nodes.reduce((sum, node) => sum + (node.x ? 0 : node.n.params || 0), 0);
  panel.replaceChildren(element("h2", `${nodes.length} calls`), element("p", `${params.toLocaleString("en")} parameters`),
    ...lines(net, indexes, where), element("h3", "selected"), list);
}
