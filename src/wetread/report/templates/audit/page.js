"use strict";
const DATA = JSON.parse(document.getElementById("data").textContent);
const COLUMNS = ["image_index", "finding", "verdict", "reader", "timestamp"];
const VERDICTS = ["wrong", "right", "cannot tell"];
const PER_PAGE = 50;
const STORE = "wetread-audit-" + DATA.id;
const $ = (id) => document.getElementById(id);
const spaced = (text) => text.replaceAll("_", " ");

// An item is [film, finding, label, score, rank]; a film is [image index, its labels, list].
const item = (n) => {
  const [film, finding, label, score, rank] = DATA.items[n];
  const [name, labels, list] = DATA.films[film];
  return { name, labels, list, finding: DATA.findings[finding].name, label, score, rank,
    ranked: DATA.findings[finding].ranked };
};
const addressOf = (name) => "films/" + encodeURIComponent(name) + ".jpg";
const keyOf = (name, finding) => name + "|" + finding;

let verdicts = new Map();
let history = [];
let shown = [];
let at = 0;
let kept = true;

function read(key) {
  try { return localStorage.getItem(key); } catch { return null; }
}
function write(key, text) {
  try { localStorage.setItem(key, text); return true; } catch { return false; }
}
function keep() {
  if (!write(STORE, JSON.stringify([...verdicts])) && kept) {
    kept = false;
    notice("This browser keeps nothing for this page: save the verdicts before closing it.");
  }
}
function notice(text) {
  $("notice").textContent = text;
  $("notice").hidden = !text;
}

function choose(stay) {
  const current = stay === undefined ? shown[at] : stay;
  const finding = Number($("finding").value);
  const side = $("side").value, list = $("list").value, open = $("open").checked;
  shown = [];
  DATA.items.forEach(([film, of, label], n) => {
    if (of !== finding) return;
    if (side !== "any" && label !== Number(side)) return;
    if (list !== "any" && DATA.films[film][2] !== list) return;
    if (open && n !== stay && verdicts.has(keyOf(DATA.films[film][0], DATA.findings[of].name))) {
      return;
    }
    shown.push(n);
  });
  at = Math.max(shown.indexOf(current), 0);
  show();
}

function show() {
  const none = shown.length === 0;
  $("nothing").hidden = !none;
  $("light-box").hidden = none;
  $("facts").hidden = none;
  for (const button of $("verdicts").children) button.disabled = none;
  $("back").disabled = none || at === 0;
  $("next").disabled = none || at === shown.length - 1;
  $("undo").disabled = history.length === 0;
  if (!none) showFilm(item(shown[at]));
  showProgress();
  showList();
}

function showFilm(one) {
  const film = $("film");
  if (film.dataset.name !== one.name) {
    film.dataset.name = one.name;
    film.src = addressOf(one.name);
    zoom(false);
  }
  film.alt = "Chest film " + one.name;
  const claim = $("claim");
  claim.textContent = "Label says: " + (one.label ? "" : "no ");
  claim.append(Object.assign(document.createElement("b"), { textContent: spaced(one.finding) }));
  $("name").textContent = one.name;
  $("labels").textContent =
    one.labels.map((n) => spaced(DATA.labels[n])).join(", ") || "none";
  $("score").textContent = one.score.toFixed(3) + " for " + spaced(one.finding);
  $("rank").textContent = one.rank.toLocaleString("en") + " of " + one.ranked.toLocaleString("en");
  $("split").textContent = one.list === "test" ? "test list" : "train+val";
  const said = verdicts.get(keyOf(one.name, one.finding));
  for (const button of $("verdicts").children) {
    button.setAttribute("aria-pressed", String(said?.verdict === button.dataset.verdict));
  }
  for (const n of shown.slice(at + 1, at + 4)) new Image().src = addressOf(item(n).name);
}

function showProgress() {
  const finding = Number($("finding").value);
  const all = DATA.items.filter((one) => one[1] === finding);
  const name = DATA.findings[finding].name;
  const done = all.filter((one) => verdicts.has(keyOf(DATA.films[one[0]][0], name))).length;
  $("bar").max = Math.max(all.length, 1);
  $("bar").value = done;
  $("done").textContent = done + " of " + all.length + "; " + verdicts.size + " verdicts in all";
}

function showList() {
  const first = Math.floor(at / PER_PAGE) * PER_PAGE;
  const some = shown.slice(first, first + PER_PAGE);
  $("range").textContent = some.length
    ? first + 1 + " to " + (first + some.length) + " of " + shown.length.toLocaleString("en")
    : "none";
  $("earlier").disabled = first === 0;
  $("later").disabled = first + PER_PAGE >= shown.length;
  $("films").replaceChildren(...some.map((n, offset) => {
    const one = item(n);
    const said = verdicts.get(keyOf(one.name, one.finding));
    const button = document.createElement("button");
    const picture = Object.assign(new Image(), { alt: "", width: 44, height: 44 });
    picture.loading = "lazy";
    picture.src = addressOf(one.name);
    const text = document.createElement("span");
    text.append(one.name, Object.assign(document.createElement("small"), {
      textContent: (one.label ? "labeled" : "not labeled") + ", score " + one.score.toFixed(3),
    }));
    const mark = Object.assign(document.createElement("i"), { textContent: said?.verdict ?? "" });
    button.append(picture, text, mark);
    if (first + offset === at) button.setAttribute("aria-current", "true");
    button.addEventListener("click", () => { at = first + offset; show(); });
    const row = document.createElement("li");
    row.append(button);
    return row;
  }));
  const list = $("films"), current = list.querySelector("[aria-current]");
  if (current) list.scrollTop = current.offsetTop - list.offsetTop - list.clientHeight / 2;
}

function judge(verdict) {
  if (!shown.length) return;
  const n = shown[at], one = item(n), key = keyOf(one.name, one.finding);
  history.push([n, key, verdicts.get(key)]);
  verdicts.set(key, { image_index: one.name, finding: one.finding, verdict,
    reader: $("reader").value.trim(), timestamp: new Date().toISOString() });
  keep();
  if (at < shown.length - 1) at += 1;
  show();
}
function undo() {
  const last = history.pop();
  if (!last) return;
  const [n, key, before] = last;
  if (before) verdicts.set(key, before); else verdicts.delete(key);
  keep();
  $("finding").value = String(DATA.items[n][1]);
  if (!shown.includes(n)) { choose(n); return; }
  at = shown.indexOf(n);
  show();
}
function move(by) {
  at = Math.min(Math.max(at + by, 0), Math.max(shown.length - 1, 0));
  show();
}

function zoom(on, event) {
  const box = $("light-box"), film = $("film");
  box.classList.toggle("zoomed", on);
  $("zoom").setAttribute("aria-pressed", String(on));
  film.style.transform = on ? "scale(2.5)" : "";
  if (on && event) aim(event); else film.style.transformOrigin = "";
}
function aim(event) {
  if (!$("light-box").classList.contains("zoomed")) return;
  const box = $("light-box").getBoundingClientRect();
  const x = (100 * (event.clientX - box.left)) / box.width;
  const y = (100 * (event.clientY - box.top)) / box.height;
  $("film").style.transformOrigin = x + "% " + y + "%";
}
const isZoomed = () => $("light-box").classList.contains("zoomed");
function invert() {
  const on = $("film").classList.toggle("inverted");
  $("invert").setAttribute("aria-pressed", String(on));
}
function setTheme(theme) {
  document.documentElement.dataset.theme = theme;
  $("theme").textContent = theme === "dark" ? "Light" : "Dark";
  write("wetread-theme", theme);
}
const otherTheme = () => document.documentElement.dataset.theme === "dark" ? "light" : "dark";

const quoted = (cell) => /[",\r\n]/.test(cell) ? '"' + cell.replaceAll('"', '""') + '"' : cell;
function save() {
  const rows = [...verdicts.values()].map((one) => COLUMNS.map((name) => quoted(one[name])));
  const text = [COLUMNS, ...rows].map((cells) => cells.join(",") + "\n").join("");
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
  link.download = "verdicts.csv";
  link.click();
  URL.revokeObjectURL(link.href);
  notice(rows.length + " verdicts saved as verdicts.csv. " +
    "Apply them by: wetread prepare ... --corrections verdicts.csv");
}
function cellsOf(text) {
  const rows = [[""]];
  let inside = false;
  for (let i = 0; i < text.length; i += 1) {
    const letter = text[i], row = rows.at(-1);
    if (inside && letter === '"' && text[i + 1] === '"') { row[row.length - 1] += '"'; i += 1; }
    else if (letter === '"') inside = !inside;
    else if (!inside && letter === ",") row.push("");
    else if (!inside && letter === "\n") rows.push([""]);
    else if (inside || letter !== "\r") row[row.length - 1] += letter;
  }
  return rows.filter((row) => row.length > 1 || row[0]);
}
async function load(file) {
  const [head, ...rows] = cellsOf((await file.text()).replace(/^\uFEFF/, ""));
  const place = COLUMNS.map((name) => (head ?? []).indexOf(name));
  if (place.includes(-1)) { notice(file.name + ": expected the columns " + COLUMNS.join(", ")); return; }
  let loaded = 0, strange = 0;
  for (const row of rows) {
    const one = Object.fromEntries(COLUMNS.map((name, i) => [name, row[place[i]] ?? ""]));
    if (!VERDICTS.includes(one.verdict)) { strange += 1; continue; }
    verdicts.set(keyOf(one.image_index, one.finding), one);
    loaded += 1;
  }
  history = [];
  keep();
  choose();
  notice(file.name + ": " + loaded + " verdicts loaded" +
    (strange ? ", " + strange + " rows without a known verdict left out" : ""));
}

const KEYS = {
  1: () => judge("wrong"), 2: () => judge("right"), 3: () => judge("cannot tell"),
  ArrowLeft: () => move(-1), ArrowRight: () => move(1), u: undo, i: invert,
  z: () => zoom(!isZoomed()), l: () => setTheme(otherTheme()),
};
document.addEventListener("keydown", (event) => {
  const typing = event.target.matches("input:not([type=checkbox]), select, textarea");
  const action = KEYS[event.key.length === 1 ? event.key.toLowerCase() : event.key];
  if (typing || !action || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  action();
});
for (const button of $("verdicts").children) {
  button.addEventListener("click", () => judge(button.dataset.verdict));
}
for (const id of ["finding", "side", "list", "open"]) $(id).addEventListener("change", () => choose());
$("back").addEventListener("click", () => move(-1));
$("next").addEventListener("click", () => move(1));
$("undo").addEventListener("click", undo);
$("invert").addEventListener("click", invert);
$("zoom").addEventListener("click", () => zoom(!isZoomed()));
$("light-box").addEventListener("click", (event) => zoom(!isZoomed(), event));
$("light-box").addEventListener("mousemove", aim);
$("earlier").addEventListener("click", () => move(-PER_PAGE));
$("later").addEventListener("click", () => move(PER_PAGE));
$("theme").addEventListener("click", () => setTheme(otherTheme()));
$("save").addEventListener("click", save);
$("load").addEventListener("click", () => $("file").click());
$("file").addEventListener("change", async () => {
  if ($("file").files.length) await load($("file").files[0]);
  $("file").value = "";
});
$("reader").addEventListener("change", () => write("wetread-reader", $("reader").value));

DATA.findings.forEach((one, n) => $("finding").append(
  Object.assign(document.createElement("option"), { value: n, textContent: spaced(one.name) })));
$("reader").value = read("wetread-reader") ?? "";
setTheme(read("wetread-theme") === "light" ? "light" : "dark");
try { verdicts = new Map(JSON.parse(read(STORE) ?? "[]")); } catch { verdicts = new Map(); }
choose();
