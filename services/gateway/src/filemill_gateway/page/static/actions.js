// Buttons and forms that ask the server for something, over the same calls that everybody has.
import { collect, send } from "./common.js";

function sure(question) {
  const dialog = document.getElementById("sure");
  document.getElementById("sure-text").textContent = question;
  dialog.returnValue = "no";
  dialog.showModal();
  return new Promise((answer) => dialog.addEventListener("close", () => answer(dialog.returnValue === "yes"), { once: true }));
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest("button[data-post]");
  if (!button || (button.dataset.sure && !(await sure(button.dataset.sure)))) return;
  button.disabled = true;
  const body = button.dataset.body ? JSON.parse(button.dataset.body) : undefined;
  const answer = await send(button.dataset.post, { method: button.dataset.method ?? "POST", body });
  button.disabled = false;
  if (answer && button.dataset.then) location.assign(button.dataset.then);
});

document.addEventListener("submit", async (event) => {
  const form = event.target.closest("form[data-send]");
  if (!form) return;
  event.preventDefault();
  const body = collect(form);
  if (body !== null) await send(form.dataset.send, { body });
});
