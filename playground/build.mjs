// Puts all that the page needs into dist/: no file of it comes from anywhere else.
import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { build } from "esbuild";

process.chdir(import.meta.dirname);
rmSync("dist", { recursive: true, force: true });
mkdirSync("dist/pyodide", { recursive: true });
const pip = (...args) => execFileSync("python3", ["-m", "pip", ...args, "--no-deps", "--quiet"], { stdio: "inherit" });
pip("wheel", "--wheel-dir", "dist", "..");
pip("download", "--dest", "dist", "--only-binary=:all:", "graphviz==0.21");
const wheels = readdirSync("dist").filter((name) => name.endsWith(".whl"));
const parts = /^(pyodide\.mjs|pyodide\.asm\.mjs|pyodide\.asm\.wasm|python_stdlib\.zip|pyodide-lock\.json)$/;
for (const name of readdirSync("node_modules/pyodide").filter((name) => parts.test(name))) {
  cpSync(`node_modules/pyodide/${name}`, `dist/pyodide/${name}`);
}
for (const name of ["index.html", "style.css", "run.py"]) cpSync(name, `dist/${name}`);
cpSync("../README.md", "dist/README.txt");
const examples = readdirSync("examples").sort().map((file) => {
  const [first, ...rest] = readFileSync(`examples/${file}`, "utf8").split("\n");
  return { name: first.slice(2), code: rest.join("\n").trimStart() };
});
writeFileSync("examples.json", JSON.stringify(examples));
await build({
  entryPoints: ["page.js", "worker.js"],
  outdir: "dist",
  bundle: true,
  minify: true,
  format: "esm",
  target: "es2022",
  external: ["./pyodide/pyodide.mjs"],
  define: { WHEELS: JSON.stringify(wheels) },
  logLevel: "warning",
});
