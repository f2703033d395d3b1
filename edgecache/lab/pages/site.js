// Inline on every page: buttons that ask the edge without the browser's own cache, copying, and "so long ago". No page needs it to be read.
document.documentElement.classList.add("js");

// cache: "no-store" keeps the browser's copies out; it would add "Cache-Control: no-cache", which asks the edge for a fresh answer,
// unless the request already has a Cache-Control: one that accepts any age says nothing new. credentials: "omit" keeps a password that
// was typed into a page out of the requests that are meant to be without.
const OWN_DIRECTIVE = { "Cache-Control": "max-age=31536000" };

async function ask(button) {
  const { url, method, headers, body } = JSON.parse(button.dataset.ask);
  const list = button.closest(".asks").querySelector(".answers");
  const row = document.createElement("li");
  const add = (tag, text, kind) => {
    const part = document.createElement(tag);
    part.textContent = text;
    part.className = kind || "";
    row.append(part);
  };
  button.disabled = true;
  const began = performance.now();
  const took = () => `${Math.round(performance.now() - began)} ms`;
  try {
    const options = { method, cache: "no-store", redirect: "manual", credentials: "omit", headers: { ...OWN_DIRECTIVE, ...headers } };
    const response = await fetch(url, body ? { ...options, body } : options);
    const status = response.headers.get("Cache-Status");
    const hit = /;\s*hit\b/.test(status || "");
    add("span", status ? (hit ? "from the store" : "from the origin") : "no Cache-Status", `from ${status ? (hit ? "hit" : "miss") : ""}`);
    add("span", response.type === "opaqueredirect" ? "a redirect" : `${method} → ${response.status}`);
    if (response.headers.has("Age")) add("span", `Age: ${response.headers.get("Age")}`);
    if (response.headers.has("Demo-Answer")) add("span", `answer ${response.headers.get("Demo-Answer")}`);
    if (status) add("code", `Cache-Status: ${status}`);
    await response.arrayBuffer();
    add("span", took());
  } catch (error) {
    add("span", "broken off", "from miss");
    add("span", `${error.message} after ${took()}`);
  }
  list.prepend(row);
  while (list.children.length > 6) list.lastChild.remove();
  button.disabled = false;
}

async function copy(button) {
  await navigator.clipboard.writeText(button.parentElement.querySelector(".curl").textContent);
  button.textContent = "Copied";
  setTimeout(() => { button.textContent = "Copy"; }, 1200);
}

addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (button?.dataset.ask) ask(button);
  else if (button?.dataset.copy !== undefined) copy(button);
});

function age() {
  for (const place of document.querySelectorAll("[data-at]")) {
    const seconds = Math.round((Date.now() - Number(place.dataset.at)) / 1000);
    place.textContent = seconds >= 0 ? ` ${seconds} s ago,` : "";
  }
}
age();
setInterval(age, 1000);
