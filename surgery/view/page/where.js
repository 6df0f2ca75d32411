// The Where grammar, as in Python: "," binds weakest, then "&", then "!", then "..".
function compileWhere(text, net) {
  const token = /\s*(?:([,&!]|\.\.)|((?::[^\s,&!:[\]'"]+)?(?:\[[^\]]*\])+|:[^\s,&!:[\]'"]+|'[^']*'|"[^"]*"|(?:(?!\.\.)[^,&!:[\]'"])+(?:\[[^\]]*\])*))/y;
  const tokens = [];
  let at = 0;
  while (text.slice(at).trim()) {
    token.lastIndex = at;
    const match = token.exec(text);
    if (!match) throw new Error("cannot read " + text.slice(at).trim());
    tokens.push((match[1] || match[2]).trim());
    at = token.lastIndex;
  }
  const every = net.nodes.map((node, index) => index).filter((index) => net.nodes[index].o !== "dropped");
  const union = () => chained(",", both, (a, b) => new Set([...a, ...b]));
  const both = () => chained("&", factor, (a, b) => new Set([...a].filter((one) => b.has(one))));
  function chained(sign, part, join) {
    let found = part();
    while (tokens[0] === sign) { tokens.shift(); found = join(found, part()); }
    return found;
  }
  function factor() {
    if (tokens[0] === "!") { tokens.shift(); const no = factor(); return new Set(every.filter((one) => !no.has(one))); }
    const start = tokens[0] === ".." ? null : atom();
    if (tokens[0] !== "..") return start;
    tokens.shift();
    const end = tokens.length && ![",", "&", "!", ".."].includes(tokens[0]) ? atom() : null;
    if (!start && !end) throw new Error("'..' needs a name on one side");
    const after = start ? net.reach(start, net.children) : new Set(every);
    const before = end ? net.reach(end, net.parents) : new Set(every);
    const path = new Set([...after].filter((one) => before.has(one)));
    if (!path.size) throw new Error("no path leads there");
    return path;
  }
  function atom() {
    const word = tokens.shift();
    if (word === undefined || [",", "&", "..", "!"].includes(word)) throw new Error("a name is missing");
    let tests;
    if (word[0] === "'" || word[0] === '"') {
      tests = [(node) => node.a === word.slice(1, -1)];
    } else {
      const name = word.split("[")[0].trim().replace(/#\d+$/, "");
      tests = [...word.matchAll(/\[([^\]]*)\]/g)].map((part) => attribute(part[1], net));
      if (name.startsWith(":")) { const glob = new RegExp("^" + globbed(name.slice(1)) + "$"); tests.push((node) => glob.test(node.k)); }
      else if (name) {
        const steps = name.split("/").map((step) => globbed(step.replace(/@0$/, "")) + (step.includes("@") ? "" : "(?:@\\d+)?"));
        const glob = new RegExp("^" + steps.join("/") + "$");
        tests.push((node) => glob.test(node.a));
      }
    }
    const found = new Set(every.filter((index) => tests.every((test) => test(net.nodes[index]))));
    if (!found.size) throw new Error("nothing matches " + word);
    return found;
  }
  const found = union();
  if (!found.size) throw new Error("nothing matches " + text);
  if (tokens.length) throw new Error(tokens[0] + " is unexpected");
  return found;
}

function globbed(pattern) {
  return pattern.split(/(\*\*|\*|\?)/).map((piece) => ({ "**": ".*", "*": "[^/]*", "?": "[^/]" }[piece] ||
    piece.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"))).join("");
}

function attribute(part, net) {
  const match = /^\s*(\w+)\s*(?:(!=|>=|<=|=|>|<)\s*(.+?))?\s*$/.exec(part);
  if (!match) throw new Error("cannot read [" + part + "]");
  const [, name, sign, wanted] = match;
  const value = (node) => name in node.n ? node.n[name] : name === "trainable" ? node.t.trainable === "yes" : node.c[name];
  if (!net.nodes.some((node) => value(node) !== undefined)) throw new Error("no call has " + name);
  if (!sign) return (node) => Boolean(value(node));
  return (node) => compares(value(node), sign, wanted);
}

function compares(value, sign, wanted) {
  if (Array.isArray(value) && new Set(value.map(String)).size === 1) value = value[0];
  if (typeof value === "number" && wanted.trim() !== "" && !isNaN(wanted)) {
    const other = Number(wanted);
    return { "=": value === other, "!=": value !== other, ">": value > other, "<": value < other, ">=": value >= other, "<=": value <= other }[sign];
  }
  if (value === null || value === undefined) return sign === "=" && wanted.toLowerCase() === "none";
  const same = String(value).toLowerCase().replaceAll(" ", "") === wanted.toLowerCase().replaceAll(" ", "");
  return sign === "=" ? same : sign === "!=" ? !same : false;
}
