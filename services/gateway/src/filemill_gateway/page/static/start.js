// A file is sent as soon as it is dropped; the run is asked for when the form is sent.
import { collect, quiet, say, send, tell, unique } from "./common.js";

const drop = document.getElementById("drop");
const input = document.getElementById("file");
const sent = document.getElementById("sent");
const uploaded = document.getElementById("uploaded");
let path = "";
let current = null;

function fill() {
  if (!path) return;
  for (const field of document.querySelectorAll('#how [data-kind="file"]')) field.value = path;
}

function upload(file) {
  quiet();
  current?.abort();
  path = "";
  const request = (current = new XMLHttpRequest());
  const name = file.name.replace(/[\\/\u0000-\u001f\u007f]/g, "_") || "file";
  const target = `uploads/${unique()}/${name}`;
  uploaded.textContent = say("start.uploading", { name });
  sent.hidden = false;
  sent.value = 0;
  request.upload.addEventListener("progress", (event) => (sent.value = event.loaded / (event.total || 1)));
  request.addEventListener("load", () => {
    sent.hidden = true;
    if (request.status === 201) {
      path = JSON.parse(request.responseText).path;
      uploaded.textContent = say("start.uploaded", { name });
      fill();
    } else {
      uploaded.textContent = "";
      let problem = {};
      try {
        problem = JSON.parse(request.responseText);
      } catch {
        // no problem of ours; say that it failed
      }
      tell(problem);
    }
  });
  request.addEventListener("error", () => {
    sent.hidden = true;
    uploaded.textContent = "";
    tell({ title: say("action.unreachable") });
  });
  request.open("PUT", "/v1/files/" + target.split("/").map(encodeURIComponent).join("/"));
  request.send(file);
}

input.addEventListener("change", () => input.files[0] && upload(input.files[0]));
// Wherever on the page it falls: a browser would open the file instead.
for (const kind of ["dragover", "dragenter"]) {
  document.addEventListener(kind, (event) => {
    event.preventDefault();
    drop.classList.add("over");
  });
}
document.addEventListener("dragleave", (event) => event.relatedTarget || drop.classList.remove("over"));
document.addEventListener("drop", (event) => {
  event.preventDefault();
  drop.classList.remove("over");
  if (event.dataTransfer.files[0]) upload(event.dataTransfer.files[0]);
});

document.addEventListener("htmx:after:swap", () => {
  fill();
  const address = location.pathname + location.search;
  for (const choice of document.querySelectorAll("a.choice")) {
    if (choice.getAttribute("href") === address) choice.setAttribute("aria-current", "true");
    else choice.removeAttribute("aria-current");
  }
});

document.addEventListener("submit", async (event) => {
  const form = event.target.closest("#how");
  if (!form) return;
  event.preventDefault();
  const given = collect(form);
  if (given === null) return;
  const button = form.querySelector("button");
  button.disabled = true;
  const run = await send("/v1/workflows", { body: { ...JSON.parse(form.dataset.ask), input: given } });
  button.disabled = false;
  if (run) location.assign(`/runs/${encodeURIComponent(run.id)}?new=1`);
});
