// node build.mjs WIT WORLD ENTRY OUTPUT: makes a component of a plugin in JavaScript or TypeScript.
//
// All of the entry's folder belongs to the plugin. Types are blanked out and nothing is moved, so that the lines of an
// error are those of the source. Run it where the tools of package.json are installed.

import { cpSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** What lies beside a plugin's source and is not part of it. */
const ASIDE = new Set(["node_modules", "brewer"]);

const [wit, world, entry, output] = process.argv.slice(2);
const require = createRequire(join(process.cwd(), "package.json"));
const { transformSync } = require("amaro");
const { componentize } = require("componentize-qjs");

const sdk = join(dirname(fileURLToPath(import.meta.url)), "..");
const root = mkdtempSync(join(tmpdir(), "brewer-plugin-"));
try {
    copyPlugin(dirname(entry), root);
    const installed = join(root, "node_modules", "brewer-sdk");
    mkdirSync(installed, { recursive: true });
    cpSync(join(sdk, "package.json"), join(installed, "package.json"));
    cpSync(join(sdk, "src"), join(installed, "src"), { recursive: true });
    const jsPath = join(root, basename(entry));
    const { component } = await componentize({
        witPath: wit,
        world,
        jsSource: readFileSync(jsPath, "utf8"),
        jsPath,
        moduleRoot: root,
        stubWasi: true,
        sync: true,
    });
    writeFileSync(output, component);
} finally {
    rmSync(root, { recursive: true });
}

/** Copies a folder, without the types of its TypeScript. */
function copyPlugin(from, to) {
    for (const item of readdirSync(from, { withFileTypes: true })) {
        if (ASIDE.has(item.name) || item.name.startsWith(".")) continue;
        const [source, target] = [join(from, item.name), join(to, item.name)];
        if (item.isDirectory()) {
            mkdirSync(target);
            copyPlugin(source, target);
        } else if (/(?<!\.d)\.m?ts$/.test(item.name)) {
            const { code } = transformSync(readFileSync(source, "utf8"), { mode: "strip-only", filename: item.name });
            writeFileSync(target, code);
        } else {
            cpSync(source, target);
        }
    }
}
