// What the scripts of the page share: words, values of forms, requests and what went wrong with them.

export const words = JSON.parse(document.getElementById("words").textContent);

export function say(key, values = {}) {
  return words[key].replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");
}

export function duration(seconds) {
  if (seconds < 60) return say("unit.seconds", { count: seconds < 10 ? Number(seconds.toFixed(1)) : seconds.toFixed(0) });
  const whole = Math.round(seconds);
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return say("unit.minutes", { minutes, seconds: whole % 60 });
  return say("unit.hours", { hours: Math.floor(minutes / 60), minutes: minutes % 60 });
}

function element(name, text, className = "") {
  const made = document.createElement(name);
  made.textContent = text;
  made.className = className;
  return made;
}

// Text only: what a problem quotes may be what somebody else wrote.
export function tell(problem) {
  const notice = document.getElementById("notice");
  const lines = (problem.problems ?? []).map((each) => {
    const line = element("li", each.pointer ? `${each.pointer.slice(1)}: ${each.message}` : each.message);
    if (each.suggestion) line.append(element("em", " " + say("problem.hint", { suggestion: each.suggestion })));
    return line;
  });
  notice.replaceChildren(element("strong", problem.title || say("action.failed")));
  if (lines.length) {
    const list = document.createElement("ul");
    list.append(...lines);
    notice.append(list);
  } else if (problem.detail) {
    notice.append(element("p", problem.detail));
  }
  notice.hidden = false;
  notice.scrollIntoView({ block: "nearest" });
}

export function quiet() {
  document.getElementById("notice").hidden = true;
}

export function unique() {
  return Array.from(crypto.getRandomValues(new Uint8Array(8)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

// Gives the answer, or null after telling what went wrong.
export async function send(url, { method = "POST", body } = {}) {
  quiet();
  const headers = body === undefined ? {} : { "Content-Type": "application/json" };
  if (method === "POST") headers["Idempotency-Key"] = unique();
  let response;
  try {
    response = await fetch(url, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
  } catch {
    tell({ title: say("action.unreachable") });
    return null;
  }
  const answer = await response.json().catch(() => ({}));
  if (response.ok) return answer;
  tell(answer);
  return null;
}

// Reads a form into a JSON object; null after telling which field cannot be read.
export function collect(form) {
  const found = {};
  for (const field of form.querySelectorAll("[data-kind]")) {
    const text = field.value;
    if (text === "" && field.dataset.kind !== "text") continue;
    if (text === "" && !field.required) continue;
    try {
      const value = ["json", "choice"].includes(field.dataset.kind) ? JSON.parse(text) : text;
      if (field.name === "*") return value;
      // Never the prototype, whatever a field is called.
      Object.defineProperty(found, field.name, {
        value: field.dataset.kind === "number" ? Number(text) : value, enumerable: true,
      });
    } catch (error) {
      tell({ title: say("start.not_json", { name: field.name === "*" ? say("start.input") : field.name, problem: error.message }) });
      field.focus();
      return null;
    }
  }
  return found;
}
