// Python, in a thread of its own: what it is busy with does not stop the page.
import { instance } from "@viz-js/viz";
import { loadPyodide } from "./pyodide/pyodide.mjs";

async function bytes(name, options) {
  const response = await fetch(name, options);
  if (!response.ok) throw new Error(`${name} is missing`);
  return response.arrayBuffer();
}

const [python, viz, script, , ...wheels] = await Promise.all([
  loadPyodide({ indexURL: new URL("pyodide/", import.meta.url).href }),
  instance(),
  bytes("run.py"),
  bytes("pyodide/pyodide.asm.wasm", { method: "HEAD" }), // if it is missing, Pyodide waits for ever
  ...WHEELS.map((name) => bytes(name)), // build.mjs puts the names here
]);
for (const wheel of wheels) python.unpackArchive(wheel, "wheel");
python.registerJsModule("page", {
  post: (text) => postMessage(text),
  lay_out: (source, format, engine) => viz.renderString(source, { format, engine }),
});
python.runPython(new TextDecoder().decode(script), { filename: "run.py" });
const run = python.globals.get("run");
self.onmessage = ({ data }) => run(data);
postMessage('{"kind": "ready"}');
