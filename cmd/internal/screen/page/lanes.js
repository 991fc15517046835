// The pages of the single scanners, where a device serves several lanes.

const nav = document.getElementById("lanes");
let drawn = "";

export function lanes(names, shown) {
  const next = JSON.stringify(names);
  if (next === drawn) return;
  drawn = next;
  nav.hidden = names.length < 2;
  nav.replaceChildren(
    ...["", ...names].map((name) => {
      const link = document.createElement("a");
      link.href = "/" + (name ? "?scanner=" + encodeURIComponent(name) : "");
      link.textContent = name || nav.dataset.all;
      if (name === shown) link.setAttribute("aria-current", "page");
      return link;
    }),
  );
}
