// The page: an editor, buttons, and what the worker, where Python runs, has to show.
import { defaultKeymap, history, historyKeymap } from "@codemirror/commands";
import { python } from "@codemirror/lang-python";
import { bracketMatching, HighlightStyle, indentOnInput, indentUnit, syntaxHighlighting } from "@codemirror/language";
import { EditorState, StateEffect, StateField } from "@codemirror/state";
import { Decoration, drawSelection, EditorView, keymap, lineNumbers } from "@codemirror/view";
import { tags } from "@lezer/highlight";
import { drawBoundary } from "./boundary.js";
import examples from "./examples.json";

const [list, runButton, stopButton, shareButton, status, output] = [
  "examples", "run", "stop", "share", "status", "output",
].map((id) => document.getElementById(id));

// ---- the editor ----

const markLine = StateEffect.define(); // where the line of an error begins, or null
const marked = StateField.define({
  create: () => Decoration.none,
  update(lines, transaction) {
    for (const { value } of transaction.effects.filter((effect) => effect.is(markLine))) {
      return value === null ? Decoration.none : Decoration.set([Decoration.line({ class: "cm-wrong" }).range(value)]);
    }
    return transaction.docChanged ? Decoration.none : lines;
  },
  provide: (field) => EditorView.decorations.from(field),
});
const colours = HighlightStyle.define([
  { tag: [tags.keyword, tags.operatorKeyword], color: "var(--keyword)" },
  { tag: [tags.string, tags.special(tags.string)], color: "var(--string)" },
  { tag: [tags.number, tags.bool, tags.null], color: "var(--number)" },
  { tag: tags.comment, color: "var(--faint)", fontStyle: "italic" },
]);
const editor = new EditorView({
  parent: document.getElementById("editor"),
  state: EditorState.create({
    doc: storage("getItem") || examples[0].code,
    extensions: [
      lineNumbers(), history(), drawSelection(), indentOnInput(), bracketMatching(), indentUnit.of("    "), python(),
      syntaxHighlighting(colours), marked, EditorView.lineWrapping,
      EditorView.contentAttributes.of({ "aria-label": "Python code" }),
      keymap.of([{ key: "Mod-Enter", run }, ...defaultKeymap, ...historyKeymap]),
      EditorView.updateListener.of((update) => update.docChanged && changed(update)),
    ],
  }),
});
const code = () => editor.state.doc.toString();

function open(text) {
  editor.dispatch({ changes: { from: 0, to: editor.state.doc.length, insert: text }, userEvent: "open" });
}

function changed({ transactions }) {
  toAddress();
  // What was opened, an example or somebody's link, takes the place of one's own code only when it is edited.
  if (!transactions.some((transaction) => transaction.isUserEvent("open"))) storage("setItem", code());
  nameCode();
}

// ---- the code in the address, and in the browser ----

function encoded(text) {
  const letters = Array.from(new TextEncoder().encode(text), (byte) => String.fromCharCode(byte)).join("");
  return btoa(letters).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

function decoded(hash) {
  try {
    const letters = atob(hash.replaceAll("-", "+").replaceAll("_", "/"));
    return new TextDecoder("utf-8", { fatal: true }).decode(Uint8Array.from(letters, (letter) => letter.charCodeAt(0)));
  } catch {
    return null; // an address that was cut, say
  }
}

const toAddress = () => window.history.replaceState(null, "", `#${encoded(code())}`);

function fromAddress() {
  const shared = decoded(location.hash.slice(1));
  if (shared === null) add("p", { textContent: "The link is incomplete, its code cannot be read." });
  else if (shared && shared !== code()) open(shared);
}

function storage(method, ...values) {
  try {
    return localStorage[method]("code", ...values);
  } catch {
    return null; // a browser may keep nothing
  }
}

// ---- Python ----

let worker; // where Python is; null after it broke down
let ready; // whether it can run something
let running; // whether something runs, or is to run as soon as Python is ready
let ran; // the code of the last run

function start() {
  worker = new Worker("worker.js", { type: "module" });
  worker.onmessage = ({ data }) => {
    const { kind, ...message } = JSON.parse(data);
    show[kind](message);
  };
  worker.onerror = ({ message }) => {
    const hint = ready ? "Does something call itself without end? " : "";
    end("Python broke down");
    show.error({ text: `Python broke down: ${message ?? "a file is missing"}. ${hint}Run starts it anew.` });
  };
}

function end(why) {
  worker.terminate();
  worker = ready = null;
  say(why, false);
}

function say(word, busy) {
  running = busy;
  runButton.ariaDisabled = busy;
  stopButton.ariaDisabled = !busy;
  status.textContent = word;
}

function run() {
  if (!running) {
    ran = code();
    output.replaceChildren();
    editor.dispatch({ effects: markLine.of(null) });
    say("Python is loading", true);
    if (ready) send();
    else if (!worker) start();
  }
  return true; // the key is done with
}

function send() {
  say("Running", true);
  worker.postMessage(ran);
}

function stop() {
  if (!running) return;
  end("Python is loading");
  add("p", { textContent: "Stopped." });
  start();
}

function add(tag, properties) {
  const element = Object.assign(document.createElement(tag), properties);
  output.append(element);
  return element;
}

const show = {
  ready() {
    ready = true;
    if (running) send();
    else say("Ready", false);
  },
  done: ({ seconds }) => say(`Ready, after ${seconds.toFixed(seconds < 10 ? 2 : 0)} s`, false),
  out({ text }) {
    const last = output.lastElementChild;
    (last?.className === "printed" ? last : add("pre", { className: "printed" })).append(text);
  },
  value: ({ text }) => add("pre", { textContent: text }),
  svg({ text }) {
    const image = Object.assign(new Image(), { alt: "The graph, drawn" });
    image.src = `data:image/svg+xml,${encodeURIComponent(text)}`;
    // As wide as there is room, but not so small that nobody can read it; then it scrolls.
    image.onload = () => (image.style.maxWidth = `max(100%, ${(image.naturalWidth * 2) / 3}px)`);
    add("div", { className: "wide", tabIndex: 0, role: "group", ariaLabel: "Drawing" }).append(image);
  },
  // A frame of its own, which can reach nothing of this page.
  page: ({ text }) => add("iframe", { title: "The graph, step by step", sandbox: "allow-scripts", srcdoc: text }),
  boundary(message) {
    // What the same line draws again takes the place of what it drew before, whatever was printed meanwhile.
    const before = output.querySelector(`canvas[data-line="${message.line}"]`);
    drawBoundary(before ?? add("canvas", { role: "img" }), message);
  },
  error({ text, line }) {
    const element = add("pre", { className: "error", textContent: text });
    if (line && code() === ran) {
      const { from } = editor.state.doc.line(Math.min(line, editor.state.doc.lines));
      editor.dispatch({ effects: [markLine.of(from), EditorView.scrollIntoView(from)] });
    }
    element.scrollIntoView({ block: "end" });
  },
};

// ---- buttons ----

// Shows which example is in the editor. One's own code can be had back once there is some.
function nameCode() {
  list.selectedIndex = 1 + examples.findIndex((example) => example.code === code());
  list.options[0].disabled = !storage("getItem");
}

list.append(...["Your code", ...examples.map(({ name }) => name)].map((name) => new Option(name)));
list.onchange = () => {
  open(list.selectedIndex ? examples[list.selectedIndex - 1].code : storage("getItem"));
  if (!running) output.replaceChildren();
};
runButton.onclick = run;
stopButton.onclick = stop;
document.addEventListener("keydown", ({ key }) => key === "Escape" && stop());
shareButton.onclick = async () => {
  toAddress();
  const done = await navigator.clipboard?.writeText(location.href).then(() => true, () => false);
  shareButton.textContent = done ? "Copied" : "It is in the address bar";
  setTimeout(() => (shareButton.textContent = "Copy link"), 2000);
};
window.onhashchange = fromAddress;
nameCode();
fromAddress();
say("Python is loading", false);
start();
