// Python, in a thread of its own: what it is busy with does not stop the page.
import { instance } from "@viz-js/viz";
import { loadPyodide } from "./pyodide/pyodide.mjs";

const bytes = async (name) => (await fetch(name)).arrayBuffer();
const [python, viz, script, ...wheels] = await Promise.all([
  loadPyodide({ indexURL: new URL("pyodide/", import.meta.url).href }),
  instance(),
  bytes("run.py"),
  ...WHEELS.map(bytes),
]);
for (const wheel of wheels) python.unpackArchive(wheel, "wheel");
python.registerJsModule("page", {
  post: (text) => postMessage(text),
  lay_out: (source, format, engine) => viz.renderString(source, { format, engine }),
});
python.runPython(new TextDecoder().decode(script));
const run = python.globals.get("run");
self.onmessage = ({ data }) => run(data);
postMessage('{"kind": "ready"}');
