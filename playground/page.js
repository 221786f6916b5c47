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

const markLine = StateEffect.define(); // the line of an error, or null
const marked = StateField.define({
  create: () => Decoration.none,
  update(lines, transaction) {
    for (const effect of transaction.effects.filter((x) => x.is(markLine))) {
      const known = effect.value >= 1 && effect.value <= transaction.state.doc.lines;
      const at = known && transaction.state.doc.line(effect.value).from;
      return known ? Decoration.set([Decoration.line({ class: "cm-wrong" }).range(at)]) : Decoration.none;
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
    doc: codeAtStart(),
    extensions: [
      lineNumbers(), history(), drawSelection(), indentOnInput(), bracketMatching(), indentUnit.of("    "), python(),
      syntaxHighlighting(colours), marked, EditorView.lineWrapping,
      EditorView.contentAttributes.of({ "aria-label": "Python code" }),
      keymap.of([{ key: "Mod-Enter", run: () => (run(), true) }, ...defaultKeymap, ...historyKeymap]),
      EditorView.updateListener.of((update) => update.docChanged && keep()),
    ],
  }),
});
const code = () => editor.state.doc.toString();
const replace = (text) => editor.dispatch({ changes: { from: 0, to: editor.state.doc.length, insert: text } });

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

function stored(...text) {
  try {
    return text.length ? localStorage.setItem("code", text[0]) : localStorage.getItem("code");
  } catch {
    return null; // a browser may keep nothing
  }
}

function codeAtStart() {
  return (location.hash && decoded(location.hash.slice(1))) || stored() || examples[0].code;
}

function keep() {
  toAddress();
  stored(code());
  list.selectedIndex = examples.findIndex((example) => example.code === code());
}

const toAddress = () => window.history.replaceState(null, "", `#${encoded(code())}`);

// ---- Python ----

let worker, waiting, text;

function start() {
  status.textContent = "Python is loading";
  worker = new Worker("worker.js", { type: "module" });
  worker.onmessage = ({ data }) => {
    const { kind, ...rest } = JSON.parse(data);
    show[kind](rest);
  };
  worker.onerror = (event) => show.error({ text: `Python could not be started: ${event.message}` });
}

function run() {
  if (waiting) return;
  waiting = code();
  runButton.disabled = true;
  stopButton.disabled = false;
  output.replaceChildren();
  text = null;
  editor.dispatch({ effects: markLine.of(null) });
  if (status.textContent !== "Python is loading") send();
}

function send() {
  status.textContent = "Running";
  worker.postMessage(waiting);
}

function rest(word) {
  waiting = null;
  runButton.disabled = false;
  stopButton.disabled = true;
  status.textContent = word;
}

function stop() {
  worker.terminate();
  rest("");
  add("p", { textContent: "Stopped." });
  start();
}

function add(tag, properties, parent = output) {
  text = null;
  const element = Object.assign(document.createElement(tag), properties);
  parent.append(element);
  return element;
}

const show = {
  ready: () => (waiting ? send() : rest("Ready")),
  done: ({ seconds }) => rest(`Ready, after ${seconds.toFixed(seconds < 10 ? 2 : 0)} s`),
  out(message) {
    text ??= add("pre", {}).appendChild(document.createTextNode(""));
    text.appendData(message.text);
  },
  value: (message) => add("pre", { textContent: message.text }),
  svg(message) {
    const image = add("img", { alt: "The graph, drawn", src: `data:image/svg+xml,${encodeURIComponent(message.text)}` },
      add("div", { className: "wide", tabIndex: 0, role: "group", ariaLabel: "Drawing" }));
    // As wide as there is room, but not so small that nobody can read it; then it scrolls.
    image.onload = () => (image.style.maxWidth = `max(100%, ${image.naturalWidth / 2}px)`);
  },
  // A frame of its own, which can reach nothing of this page.
  page: (message) => add("iframe", { title: "The graph, step by step", sandbox: "allow-scripts", srcdoc: message.text }),
  boundary(message) {
    const last = output.lastElementChild;
    drawBoundary(last?.tagName === "CANVAS" ? last : add("canvas", { role: "img" }), message);
  },
  error(message) {
    add("pre", { className: "error", textContent: message.text });
    editor.dispatch({ effects: markLine.of(message.line ?? null) });
  },
};

// ---- buttons ----

list.append(...examples.map(({ name }) => new Option(name)));
list.onchange = () => replace(examples[list.selectedIndex].code);
runButton.onclick = run;
stopButton.onclick = stop;
shareButton.onclick = async () => {
  toAddress();
  const done = await navigator.clipboard?.writeText(location.href).then(() => true, () => false);
  shareButton.textContent = done ? "Copied" : "It is in the address bar";
  setTimeout(() => (shareButton.textContent = "Copy link"), 2000);
};
window.onhashchange = () => {
  const shared = decoded(location.hash.slice(1));
  if (shared !== null && shared !== code()) replace(shared);
};
keep();
start();
