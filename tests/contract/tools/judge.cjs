// Compiles every schema of a folder as strictly as Ajv can, and says of each document from stdin whether its schema accepts it.
//
//   node judge.cjs FOLDER <<< '[["health.schema.json", {...}], ...]'    prints [true, ...]
const { readFileSync, readdirSync } = require("node:fs");
const { join } = require("node:path");
const Ajv = require("ajv/dist/2020").default;

const folder = process.argv[2];
const refuse = (...words) => { throw new Error(words.join(" ")); };
const judges = new Map();
for (const name of readdirSync(folder).filter((each) => each.endsWith(".schema.json"))) {
  const ajv = new Ajv({ strict: true, logger: { log: refuse, warn: refuse, error: refuse } });
  try {
    judges.set(name, ajv.compile(JSON.parse(readFileSync(join(folder, name), "utf8"))));
  } catch (error) {
    console.error(`${name}: ${error.message}`);
    process.exit(1);
  }
}
const documents = JSON.parse(readFileSync(0, "utf8"));
console.log(JSON.stringify(documents.map(([name, document]) => judges.get(name)(document))));
