// Questions to the daemon. Nothing personal is ever in an address.

const panels = document.getElementById("panels");
const patience = 8000; // ms

let query = "";

// of says which scanner's page asks.
export function of(scanner) {
  query = scanner ? "?scanner=" + encodeURIComponent(scanner) : "";
}

export function get(path) {
  return ask(path, { cache: "no-store" });
}

export function post(path, body) {
  return ask(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
}

// ask gives the answer, or throws an error whose message says in words why not.
async function ask(path, options) {
  let answer;
  try {
    const response = await fetch(path + query, { ...options, signal: AbortSignal.timeout(patience) });
    answer = { ok: response.ok, status: response.status, body: await response.json() };
  } catch {
    throw new Error(panels.dataset.noConnection);
  }
  if (!answer.ok) throw new Error(answer.body.error || String(answer.status));
  return answer.body;
}

// failed is an error in the page's words.
export function failed(error) {
  return panels.dataset.failed.replace("{why}", () => error.message);
}
