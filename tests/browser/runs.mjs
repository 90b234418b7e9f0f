// The runs whose reports are looked at, made by the real program in seconds each.

import { spawn } from "node:child_process";
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../..", import.meta.url));
const program = path.resolve(process.env.TRAINYARD ?? path.join(root, "target/debug/trainyard"));

export const RIGHT_TO_LEFT = "\u202egnp.exe";
export const SCRIPT = "<script>alert(1)</script>";
export const LONG = "long".repeat(75);
/** Names that a page must show as they are. */
export const HOSTILE = [
    SCRIPT,
    "</script>",
    "</style><img src=x onerror=alert(1)>",
    "\"'&amp;{{ 7*7 }}",
    RIGHT_TO_LEFT,
    `${RIGHT_TO_LEFT} of 3`,
    LONG,
    "many words ".repeat(27).trim(),
];

/** Runs the program in `directory`; resolves to its exit code and what it said. `watch` sees the process and each line. */
export function trainyard(directory, args, watch = () => {}) {
    const environment = { ...process.env, NO_COLOR: "1" };
    delete environment.TRAINYARD_DATA;
    return new Promise((resolve, reject) => {
        const child = spawn(program, args, { cwd: directory, env: environment, stdio: ["ignore", "pipe", "pipe"] });
        const impatience = setTimeout(() => child.kill("SIGKILL"), 120_000);
        let said = "";
        for (const stream of [child.stdout, child.stderr]) {
            stream.setEncoding("utf8").on("data", (text) => {
                said += text;
                watch(child, said);
            });
        }
        child.on("error", (error) => reject(new Error(`cannot start ${program}: ${error.message}`)));
        child.on("close", (code, signal) => {
            clearTimeout(impatience);
            resolve({ code: code ?? signal, said });
        });
    });
}

/** Runs a pipeline that ends with the exit code `expected`; resolves to the run's directory. */
async function run(directory, name, pipeline, expected, watch) {
    writeFileSync(path.join(directory, `${name}.yaml`), pipeline + (await evaluation(directory)));
    const { code, said } = await trainyard(directory, ["run", `${name}.yaml`], watch);
    if (code !== expected) throw new Error(`${name} ended with ${code} instead of ${expected}:\n${said}`);
    const runs = path.join(directory, "runs", name);
    return path.join(runs, readdirSync(runs)[0]);
}

/** What evaluation steps need where their name alone is not enough. */
const NEEDED = { slices: "brightness" };

/** Steps that look at predicted numbers alone. */
const OF_NUMBERS = ["residuals"];

/** All evaluation steps that the language has for classes, so that the report has all its sections. */
async function evaluation(directory) {
    const { said } = await trainyard(directory, ["schema"]);
    const all = Object.keys(JSON.parse(said).$defs.Evaluation.then.properties);
    const names = all.filter((name) => !OF_NUMBERS.includes(name));
    return `evaluation:\n${names.map((name) => `  - ${name in NEEDED ? `${name}: ${NEEDED[name]}` : name}\n`).join("")}`;
}

const quoted = (text) => JSON.stringify(text);
const list = (items) => items.map((item) => `    - ${item}\n`).join("");

/** The embedded digits; `rest` is what stands in `training` beside the loss, and below it. */
function digits({ layers, rest, description = "A small network reads handwritten digits of 8 by 8 pixels." }) {
    const dataset = "dataset:\n  source: digits\n  validation: {split: 0.1}\n  train: [cache, shuffle, batch: 64, prefetch]\n";
    const top = `version: 1\ndescription: ${quoted(description)}\nseed: 42\nthreads: 1\n${dataset}`;
    return `${top}model:\n  layers:\n${list(layers)}training:\n  loss: sparse_categorical_crossentropy\n${rest}`;
}

const CONVOLUTIONS = [
    "rescaling: {scale: 1/255}",
    "conv2d: {filters: 16, kernel_size: 3, padding: same, activation: relu}",
    "max_pooling2d",
    "flatten",
    "dense: 10",
];

/** A BMP of `size` by `size` pixels, whose colour at a place is `colour(x, y)`. */
function bitmap(size, colour) {
    const row = Math.ceil((size * 3) / 4) * 4;
    const file = Buffer.alloc(54 + row * size);
    file.write("BM");
    file.writeUInt32LE(file.length, 2);
    file.writeUInt32LE(54, 10);
    file.writeUInt32LE(40, 14);
    file.writeInt32LE(size, 18);
    file.writeInt32LE(size, 22);
    file.writeUInt16LE(1, 26);
    file.writeUInt16LE(24, 28);
    for (let y = 0; y < size; y++) {
        for (let x = 0; x < size; x++) file.set(colour(x, y), 54 + y * row + x * 3);
    }
    return file;
}

/** An image that tells its class by its colour, and is a little different from the others of it. */
function example(label, copy) {
    const colour = [50 + ((label * 37) % 200), 50 + ((label * 91) % 200), 50 + ((label * 153) % 200)];
    return bitmap(8, (x, y) => colour.map((value, channel) => (value + ((x * 7 + y * 13 + copy * 29 + channel) % 50)) % 256));
}

const images = (source, title, description) => `version: 1
description: ${quoted(description)}
threads: 1
dataset:
  source: ${source}
  train: [cache, shuffle, batch: 64, prefetch]
  on_error: skip
model:
  layers:
    - rescaling: {scale: 1/255}
    - conv2d: {filters: 8, kernel_size: 3, activation: relu}
    - flatten
    - dense: CLASSES
training:
  loss: sparse_categorical_crossentropy
  epochs: 2
report: {title: ${quoted(title)}}
`;

/** A hundred classes, three images of each for training and two for testing. */
async function hundred(directory) {
    for (let label = 0; label < 100; label++) {
        const name = `class ${String(label).padStart(2, "0")}`;
        for (const [split, copies] of [["train", 3], ["test", 2]]) {
            const folder = path.join(directory, "hundred", split, name);
            mkdirSync(folder, { recursive: true });
            for (let copy = 0; copy < copies; copy++) {
                writeFileSync(path.join(folder, `${copy}.bmp`), example(label, copy + (split === "test" ? 3 : 0)));
            }
        }
    }
    const source = "{image_folder: {train: hundred/train, test: hundred/test, image_size: 8}}";
    const pipeline = images(source, "A hundred classes", "Many classes, few images.").replace("CLASSES", "100");
    return run(directory, "hundred", pipeline, 0);
}

/** The file of an image of the class: a name takes at most 255 bytes and no slash. */
export const fileName = (name, copy) => `${name.replaceAll("/", "\u2044").slice(0, 200)} ${copy}.bmp`;

/** Classes, files, a title and a description that try to be more than text. */
async function hostile(directory) {
    const folder = path.join(directory, "hostile");
    mkdirSync(folder);
    const field = (text) => `"${text.replaceAll('"', '""')}"`;
    const lists = { train: "path,label\n", test: "path,label\n" };
    HOSTILE.forEach((name, label) => {
        for (let copy = 0; copy < 5; copy++) {
            const file = fileName(name, copy);
            writeFileSync(path.join(folder, file), example(label, copy));
            lists[copy < 3 ? "train" : "test"] += `${field(file)},${field(name)}\n`;
        }
        const broken = fileName(name, "broken");
        writeFileSync(path.join(folder, broken), "no image");
        lists.train += `${field(broken)},${field(name)}\n`;
    });
    for (const [split, lines] of Object.entries(lists)) writeFileSync(path.join(folder, `${split}.csv`), lines);
    const source = "{image_csv: {train: hostile/train.csv, test: hostile/test.csv, image_size: 8}}";
    const title = `</title>${SCRIPT} ${RIGHT_TO_LEFT} ${LONG}`;
    const description = `</p></style>${SCRIPT} {{ 7*7 }} ${RIGHT_TO_LEFT} ${LONG}`;
    const pipeline = images(source, title, description).replace("CLASSES", `${HOSTILE.length}`);
    return run(directory, "hostile", pipeline, 0);
}

/** What to make, by name: each resolves to the run's directory. */
const RUNS = {
    good: (directory) =>
        run(directory, "good", digits({
            layers: CONVOLUTIONS,
            rest: "  epochs: 12\nexpect:\n  test_accuracy: {min: 0.85}\n  test_loss: {max: 0.6}\n",
        }), 0),
    missed: (directory) =>
        run(directory, "missed", digits({
            layers: CONVOLUTIONS,
            rest: "  epochs: 1\nexpect:\n  test_accuracy: {min: 0.999}\n  test_loss: {max: 5}\n",
        }), 3),
    // One step an epoch: the first is sound, and after it the weights are so large that nothing is a number.
    failed: (directory) =>
        run(directory, "failed", digits({
            layers: ["flatten", ...Array(12).fill("dense: {units: 64, activation: relu}"), "dense: 10"],
            rest: "  optimizer: {adam: {learning_rate: 100}}\n  epochs: 5\n",
        }).replace("batch: 64", "batch: 4096"), 1),
    interrupted: (directory) => {
        let interrupted = false;
        const rest = "  epochs: 10000\n";
        return run(directory, "interrupted", digits({ layers: CONVOLUTIONS, rest }), 130, (child, said) => {
            if (interrupted || !/^epoch +2\//m.test(said)) return;
            interrupted = true;
            child.kill("SIGINT");
        });
    },
    hundred,
    hostile,
};

/** Pages that are looked at, but have less in them than a report has, or the same again. */
const MORE = {
    /** The page over runs with several seeds. */
    seeds: async (directory) => {
        const rest = "  epochs: 3\nexpect:\n  test_accuracy: {min: 0.99, inconclusive: fail}\n";
        writeFileSync(path.join(directory, "seeds.yaml"), digits({ layers: CONVOLUTIONS, rest }));
        const { code, said } = await trainyard(directory, ["run", "seeds.yaml", "--seeds", "3"]);
        if (code !== 3) throw new Error(`seeds ended with ${code}:\n${said}`);
        const runs = path.join(directory, "runs", "seeds");
        return path.join(runs, readdirSync(runs).find((name) => name.startsWith("seeds-")));
    },
    /** A run that predicts numbers, whose column tries to be more than its name. */
    numbers: async (directory) => {
        const rows = Array.from({ length: 160 }, (_, row) => [row % 40, (row * 7) % 13, 3 * (row % 40) + ((row * 7) % 13)]);
        writeFileSync(path.join(directory, "numbers.csv"), [["a", "b", SCRIPT], ...rows].map((row) => row.join(",")).join("\n"));
        const source = `{table: {train: numbers.csv, test: {split: 0.25}, label_column: ${quoted(SCRIPT)}, task: regression}}`;
        const dataset = `dataset:\n  source: ${source}\n  train: [cache, shuffle, batch: 16]\n`;
        const model = "model: {layers: [normalization, {dense: {units: 8, activation: relu}}, {dense: 1}]}\n";
        const training = "training: {loss: mean_squared_error, metrics: [mean_absolute_error, r2_score], epochs: 9}\n";
        const rest = "evaluation: [learning_curves, metrics, residuals, latency]\nexpect: {test_mean_absolute_error: {max: 500}}\n";
        writeFileSync(path.join(directory, "numbers.yaml"), `version: 1\nthreads: 1\n${dataset}${model}${training}${rest}`);
        const { code, said } = await trainyard(directory, ["run", "numbers.yaml"]);
        if (code !== 0) throw new Error(`numbers ended with ${code}:\n${said}`);
        const runs = path.join(directory, "runs", "numbers");
        return path.join(runs, readdirSync(runs)[0]);
    },
    /** An interrupted run that was gone on with, and which a lock is held against. */
    resumed: async (directory) => {
        const first = await RUNS.interrupted(directory);
        const shorter = ["--set", "training.epochs=20", "--allow", "training.epochs"];
        const { code, said } = await trainyard(directory, ["run", "--resume", first, ...shorter]);
        if (code !== 0) throw new Error(`resuming ended with ${code}:\n${said}`);
        return first;
    },
};

export const KINDS = Object.keys(RUNS);
export const PAGES = [...KINDS, ...Object.keys(MORE)];

/** Makes all runs; resolves to their directories by name. */
export async function makeRuns(directory) {
    const made = {};
    for (const [name, make] of Object.entries(RUNS)) made[name] = await make(directory);
    // In a directory of their own, where no other run of the same name is found.
    const more = path.join(directory, "more");
    mkdirSync(more);
    for (const [name, make] of Object.entries(MORE)) made[name] = await make(more);
    return made;
}

export const reportOf = (run) => path.join(run, "report.html");
export const readReport = (run) => readFileSync(reportOf(run));
