// What an editor with yaml-language-server says about pipelines: what it offers, explains and marks.

import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";
import { Server } from "./server.mjs";

const root = fileURLToPath(new URL("../..", import.meta.url));
const schemaFile = path.join(root, "schemas/pipeline.schema.json");
const schema = JSON.parse(readFileSync(schemaFile, "utf8"));

const dataset = "version: 1\ndataset:\n  source: digits\n  train: [batch: 32]\n";
const training = "training:\n  loss: sparse_categorical_crossentropy\n  epochs: 2\n";
const layers = (items) => `${dataset}${training}model:\n  layers:\n${items}`;
const layer = (item) => layers(`    - ${item}\n`);
const members = (family) => Object.keys(schema.$defs[family].then.properties);

let server;
before(async () => (server = await Server.start()));
after(() => server.stop());

let opened = 0;

/** Opens a text, less the `|` that marks the cursor, with `use` of the place; says what `use` says. */
async function visit(marked, use, schemaPath = schemaFile) {
    const text = `# yaml-language-server: $schema=${schemaPath}\n${marked}`;
    const cursor = text.indexOf("|");
    const above = text.slice(0, cursor < 0 ? 0 : cursor).split("\n");
    const position = { line: above.length - 1, character: above.at(-1).length };
    const uri = pathToFileURL(path.join(root, `pipelines/unsaved-${++opened}.yaml`)).href;
    const diagnostics = await server.open(uri, text.replace("|", ""));
    try {
        return await use({ textDocument: { uri }, position }, diagnostics);
    } finally {
        server.close(uri);
    }
}

/** Label to documentation of what is offered at the cursor. */
function completions(marked, schemaPath) {
    const ask = async (place) => {
        const { items } = await server.request("textDocument/completion", place);
        return new Map(items.map((item) => [item.label, item.documentation?.value ?? item.documentation ?? ""]));
    };
    return visit(marked, ask, schemaPath);
}

function insertions(marked) {
    return visit(marked, async (place) => {
        const { items } = await server.request("textDocument/completion", place);
        return new Map(items.map((item) => [item.label, item.textEdit?.newText ?? item.insertText]));
    });
}

function hover(marked) {
    return visit(marked, async (place) => (await server.request("textDocument/hover", place)).contents.value);
}

/** `line: message`, the line as in the text without the modeline, from 1. */
function problems(text, schemaPath) {
    const said = (_, diagnostics) => diagnostics.map((d) => `${d.range.start.line}: ${d.message}`).sort();
    return visit(text, said, schemaPath);
}

function assertOffers(offered, names) {
    for (const name of names) {
        assert.ok(offered.has(name), `${name} is not among ${[...offered.keys()]}`);
        assert.ok(offered.get(name), `${name} has no description`);
    }
}

for (const [where, items] of [
    ["first", "    - |"],
    ["last", "    - flatten\n    - |"],
    ["begun", "    - flatten\n    - co|"],
    ["between", "    - flatten\n    - |\n    - dense: 10\n"],
]) {
    test(`a layer is offered by name, where the item is the ${where}`, async () => {
        const offered = await completions(layers(items));
        assertOffers(offered, members("Layer"));
        // Beside the names only layers with arguments are offered.
        const names = [...offered.keys()].map((label) => label.split(":")[0]);
        assert.deepEqual([...new Set(names)].sort(), members("Layer").sort());
    });
}

test("a layer is written with what it needs", async () => {
    const written = await insertions(layers("    - |"));
    assert.equal(written.get("conv2d"), "conv2d: {filters: ${1:32}, kernel_size: ${2:3}}");
    assert.equal(written.get("dropout"), "dropout: ${1:0.2}");
    assert.equal(written.get("flatten"), "flatten");
});

for (const [style, item] of [
    ["a line", "    - conv2d: {f|}"], // between bare braces the server offers nothing
    ["lines", "    - conv2d:\n        |"],
]) {
    test(`arguments are offered in ${style}`, async () => {
        assertOffers(await completions(layers(item)), Object.keys(schema.$defs.Conv2d.properties));
    });
}

for (const [what, marked, names] of [
    ["paddings", layers("    - conv2d: {padding: |}"), ["same", "valid"]],
    ["activations", layers("    - dense:\n        activation: |"), ["relu", "softmax"]],
    ["functions of a bare value", layers("    - activation: |"), ["relu", "softmax"]],
    ["top-level keys", "|", Object.keys(schema.properties)],
    ["keys of training", `${dataset}training:\n  |`, ["loss", "optimizer", "epochs", "callbacks"]],
    ["callbacks", `${dataset}training:\n  callbacks:\n    - |`, members("CallbackChoice")],
    ["arguments of a callback", `training:\n  callbacks:\n    - early_stopping: {p|}`, ["patience", "monitor"]],
    ["losses", `${dataset}training:\n  loss: |`, members("Loss")],
    ["optimizers", `${dataset}training:\n  optimizer: |`, members("OptimizerChoice")],
    ["sources", "dataset:\n  source: |", ["digits", "cifar10", "{image_folder: ...}"]],
    ["stages", "dataset:\n  train:\n    - |", members("Stage")],
]) {
    test(`${what} are offered`, async () => assertOffers(await completions(marked), names));
}

for (const [what, marked, ...parts] of [
    ["an argument", layer("conv2d: {filters: 8, kernel_s|ize: 3}"), "Height and width", "from 1 to 4096", "Required", "Example"],
    ["an argument with a default", layer("conv2d: {pad|ding: same}"), "Default: `valid`", "`same`: Zeros"],
    ["a callback's argument", "training:\n  callbacks:\n    - early_stopping: {pati|ence: 3}", "How many epochs", "Default: `0`"],
    ["a layer", layer("con|v2d: {filters: 8, kernel_size: 3}"), "learned filters", "conv2d: {filters: 32"],
    ["a layer with a bare value", layer("drop|out: 0.2"), "random values"],
    ["a bare layer", layer("flat|ten"), "into vectors"],
    ["a top-level key", `${dataset}trai|ning:\n  epochs: 2`, "Loss, optimizer, metrics"],
]) {
    test(`${what} is explained`, async () => {
        const explanation = await hover(marked);
        for (const part of parts) assert.ok(explanation.includes(part), `no '${part}' in:\n${explanation}`);
    });
}

for (const file of readdirSync(path.join(root, "pipelines")).filter((name) => name.endsWith(".yaml"))) {
    test(`nothing is marked in ${file}`, async () => {
        assert.deepEqual(await problems(readFileSync(path.join(root, "pipelines", file), "utf8")), []);
    });
}

test("nothing is marked in short forms", async () => {
    const items = ["flatten", "flatten:", "max_pooling2d:", "max_pooling2d: [2, 3]", "dense: 10", "rescaling: 1/255"];
    items.push("rescaling: {scale: 1/255, offset: -1}", "dropout: 1/5", "activation: relu");
    const rest = "  optimizer: {adam: 1/1000}\n  callbacks:\n    - early_stopping: {baseline: 1/2, min_delta: 1/100}\n";
    const expect = "expect: {test_accuracy: {min: 1/2, max: 99/100}}\nthreads: 2\n";
    const text = `${dataset}${training}${rest}${expect}model:\n  layers: [${items.map((item) => `{${item}}`).join(", ")}]\n`;
    assert.deepEqual(await problems(text.replace("{flatten},", "flatten,")), []);
});

for (const [what, item, message] of [
    ["a misspelt layer", "conv2: {filters: 3}", /^10: No such layer. There is `rescaling`, `normalization`, `conv2d`/],
    ["a misspelt bare layer", "flaten", /^10: No such layer, or it needs arguments/],
    ["a misspelt argument", "dense: {units: 3, activatoin: relu}", /^10: Property activatoin is not allowed/],
    ["a wrong type", "dense: {units: ten}", /^10: Expected a whole number from 1 to 1048576/],
    ["a wrong bare value", "dense: ten", /^10: Expected a whole number from 1 to 1048576/],
    ["a number out of range", "conv2d: {filters: 0, kernel_size: 3}", /^10: Value is below the minimum of 1/],
    ["a bare value out of range", "dropout: 1.5", /^10: Value is above the exclusive maximum of 1/],
    ["a missing argument", "conv2d: {filters: 3}", /^10: Missing property "kernel_size"/],
    ["a name without its arguments", "conv2d:", /^10: `conv2d` takes `filters`, `kernel_size`/],
    ["a misspelt choice", "conv2d: {filters: 3, kernel_size: 3, padding: smae}", /^10: Value is not accepted.*"valid", "same"/],
    ["a list that is too short", "conv2d: {filters: 3, kernel_size: [3]}", /^10: Array has too few items/],
    ["a division by zero", "rescaling: 1/0", /^10: Expected a number, or a fraction/],
]) {
    test(`${what} is marked, and nothing else`, async () => {
        const said = await problems(layer(item));
        assert.equal(said.length, 1, said.join("\n"));
        assert.match(said[0], message);
    });
}

test("a layer that holds layers is completed and checked inside", async () => {
    const nested = structuredClone(schema);
    const { then } = nested.$defs.Layer;
    const list = { type: "array", items: { $ref: "#/$defs/Layer" } };
    then.properties.residual = true;
    then.allOf[0].properties.residual = { $ref: "#/$defs/Residual" };
    nested.$defs.Residual = { type: "object", properties: { layers: list }, additionalProperties: false };
    const directory = mkdtempSync(path.join(tmpdir(), "trainyard-editor-"));
    try {
        const file = path.join(directory, "nested.schema.json");
        writeFileSync(file, JSON.stringify(nested));
        const inside = (item) => layers(`    - residual:\n        layers:\n          - flatten\n          - ${item}`);
        assertOffers(await completions(inside("|"), file), members("Layer"));
        assertOffers(await completions(inside("conv2d: {f|}"), file), ["filters"]);
        assert.deepEqual(await problems(inside("dense: 0\n"), file), ["13: Value is below the minimum of 1."]);
    } finally {
        rmSync(directory, { recursive: true });
    }
});
