// Draws the steps of a run: the list that the server wrote is put where dagre says, with lines and frames under it.
// On a narrow screen, and of a run that is too large, it stays a list.

const NARROW = 640; // px
const SMALLEST = 0.8;
const WIDTH = 200;
const HEIGHT = 86;
const TITLE = 8; // of a frame, above what lies in it
const SVG = "http://www.w3.org/2000/svg";

let drawn = ""; // what the picture that stands there was made of

function make(name, attributes) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

function laid(items, labels, parents) {
  const graph = new dagre.graphlib.Graph({ compound: true });
  graph.setGraph({ rankdir: "LR", nodesep: 16, ranksep: 44, marginx: 12, marginy: 12 + TITLE });
  graph.setDefaultEdgeLabel(() => ({}));
  labels.forEach((_, index) => graph.setNode(`group ${index}`, {}));
  parents.forEach((parent, index) => parent !== null && graph.setParent(`group ${index}`, `group ${parent}`));
  for (const item of items) {
    graph.setNode(item.dataset.id, { width: WIDTH, height: HEIGHT });
    if (item.dataset.group) graph.setParent(item.dataset.id, `group ${item.dataset.group}`);
  }
  for (const item of items) {
    for (const need of item.dataset.needs.split(" ")) {
      if (need && graph.hasNode(need)) graph.setEdge(need, item.dataset.id);
    }
  }
  dagre.layout(graph);
  return graph;
}

function line(points) {
  const [first, ...rest] = points;
  let path = `M${first.x} ${first.y}`;
  for (let index = 0; index < rest.length - 1; index++) {
    const [at, next] = [rest[index], rest[index + 1]];
    const isLast = index === rest.length - 2;
    const [x, y] = isLast ? [next.x, next.y] : [(at.x + next.x) / 2, (at.y + next.y) / 2];
    path += `Q${at.x} ${at.y} ${x} ${y}`;
  }
  return path;
}

function draw(canvas, items, labels, parents) {
  const graph = laid(items, labels, parents);
  const { width, height } = graph.graph();
  const drawing = canvas.querySelector(".drawing");
  const svg = make("svg", { width, height, "aria-hidden": "true" });
  const tip = make("marker", { id: "tip", viewBox: "0 0 8 8", refX: 7, refY: 4, markerWidth: 8, markerHeight: 8, orient: "auto" });
  tip.append(make("path", { d: "M0 0L8 4L0 8z" }));
  svg.append(tip);
  for (const edge of graph.edges()) {
    const path = make("path", { class: "line", d: line(graph.edge(edge).points), "marker-end": "url(#tip)" });
    path.dataset.to = edge.w;
    svg.append(path);
  }
  const frames = labels.map((label, index) => {
    const { x, y, width: wide, height: high } = graph.node(`group ${index}`);
    const frame = document.createElement("div");
    frame.className = parents[index] === null ? "frame" : "frame branch";
    frame.textContent = label;
    place(frame, x - wide / 2, y - high / 2 - TITLE);
    frame.style.width = `${wide}px`;
    frame.style.height = `${high + TITLE}px`;
    return frame;
  });
  drawing.replaceChildren(...frames, svg);
  for (const item of items) {
    const { x, y } = graph.node(item.dataset.id);
    place(item, x - WIDTH / 2, y - HEIGHT / 2);
  }
  const list = canvas.querySelector(".graph");
  list.style.width = `${width}px`;
  list.style.height = `${height}px`;
}

// Makes a wide picture smaller, as far as it can still be read; what is wider then is scrolled.
function fit(canvas) {
  const list = canvas.querySelector(".graph");
  const scale = Math.min(1, Math.max(SMALLEST, canvas.clientWidth / parseFloat(list.style.width)));
  for (const each of [list, canvas.querySelector(".drawing")]) each.style.zoom = scale;
}

function place(element, x, y) {
  element.style.left = `${x}px`;
  element.style.top = `${y}px`;
}

function update() {
  const canvas = document.querySelector(".canvas");
  if (!canvas) return;
  const items = [...canvas.querySelectorAll(".node")];
  if (!canvas.dataset.groups || window.innerWidth < NARROW) {
    canvas.removeAttribute("data-drawn");
    canvas.querySelector(".graph").style.zoom = 1;
    drawn = "";
    return;
  }
  const made = JSON.stringify([canvas.dataset.groups, ...items.map((item) => [item.dataset.id, item.dataset.needs])]);
  if (made !== drawn) {
    draw(canvas, items, JSON.parse(canvas.dataset.groups), JSON.parse(canvas.dataset.parents));
    canvas.setAttribute("data-drawn", "");
    drawn = made;
  }
  fit(canvas);
  for (const path of canvas.querySelectorAll("path.line")) {
    const item = items.find((each) => each.dataset.id === path.dataset.to);
    path.classList.toggle("faint", item?.classList.contains("is-skipped") ?? false);
  }
}

document.addEventListener("htmx:after:swap", update);
window.addEventListener("resize", update);
update();
