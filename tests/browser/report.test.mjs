// What a browser makes of the reports of good and bad runs: nothing loaded, overlapping, cut or out of reach.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { launch, visit } from "./browser.mjs";
import { layoutProblems } from "./layout.mjs";
import { HOSTILE, KINDS, LONG, PAGES, RIGHT_TO_LEFT, SCRIPT, fileName, makeRuns, readReport, reportOf, trainyard } from "./runs.mjs";

const WIDTHS = [320, 400, 1280, 2560];
const SCHEMES = ["light", "dark"];
const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
const pictures = fileURLToPath(new URL("../../target/browser", import.meta.url));

let directory;
let runs;
let browser;
before(async () => {
    directory = mkdtempSync(path.join(tmpdir(), "trainyard-browser-"));
    mkdirSync(pictures, { recursive: true });
    runs = await makeRuns(directory);
    browser = await launch();
});
after(async () => {
    await browser?.close();
    rmSync(directory, { recursive: true, force: true });
});

const wide = { viewport: { width: 1280, height: 900 } };

/** Opens the report of a run; nothing may be complained of, asked for or pop up while `use` does. */
async function open(kind, options, use) {
    const incidents = await visit(browser, reportOf(runs[kind]), options, use);
    assert.deepEqual(incidents, []);
}

const openDetails = (page) =>
    page.evaluate(() => document.querySelectorAll("details").forEach((details) => (details.open = true)));

/** Texts of the sections that nobody sees, but those that `details` or a tooltip keep back, and what paper has no use for. */
const hiddenTexts = () => {
    const hidden = [];
    const walker = document.createTreeWalker(document.querySelector("main"), NodeFilter.SHOW_TEXT);
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
        const element = node.parentElement;
        const silent = element.closest("script, style, template, noscript, title, desc, [hidden], button.copy, .filter");
        if (element.closest(".unprinted") && matchMedia("print").matches) continue;
        if (!node.data.trim() || silent) continue;
        const range = document.createRange();
        range.selectNodeContents(node);
        const { width, height } = range.getBoundingClientRect();
        // What has no box of its own is as visible as that which it stands in.
        const box = getComputedStyle(element).display === "contents" ? element.parentElement : element;
        if (!box.checkVisibility({ visibilityProperty: true, opacityProperty: true }) || !(width * height)) {
            hidden.push(node.data.trim().slice(0, 60));
        }
    }
    return hidden;
};

/** Labels of drawings, of which axe-core doesn't judge, with less than WCAG's contrast of 4.5 to the page. */
const faintLabels = () => {
    const luminance = (colour) => {
        const [red, green, blue] = colour.match(/[\d.]+/g).map((value) => {
            const share = value / 255;
            return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
        });
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
    };
    const page = luminance(getComputedStyle(document.body).backgroundColor);
    const faint = [...document.querySelectorAll("svg text")].filter((label) => {
        const ink = luminance(getComputedStyle(label).fill);
        return (Math.max(ink, page) + 0.05) / (Math.min(ink, page) + 0.05) < 4.5;
    });
    return [...new Set(faint.map((label) => `${label.textContent.trim()}: ${getComputedStyle(label).fill}`))];
};

for (const kind of PAGES) {
    for (const colorScheme of SCHEMES) {
        test(`${kind}, ${colorScheme}: nothing overlaps or is cut, nothing is loaded`, async () => {
            for (const width of WIDTHS) {
                await open(kind, { viewport: { width, height: 900 }, colorScheme }, async (page) => {
                    if (width !== 320) {
                        const picture = path.join(pictures, `${kind}-${width}-${colorScheme}.png`);
                        await page.screenshot({ path: picture, fullPage: true });
                    }
                    assert.deepEqual(await page.evaluate(layoutProblems), [], `at ${width} pixels`);
                    await openDetails(page);
                    assert.deepEqual(await page.evaluate(layoutProblems), [], `at ${width} pixels, all opened`);
                });
            }
        });

        test(`${kind}, ${colorScheme}: axe-core finds nothing`, async () => {
            for (const width of [400, 1280]) {
                await open(kind, { viewport: { width, height: 900 }, colorScheme }, async (page) => {
                    await openDetails(page);
                    await page.evaluate(AXE);
                    const found = await page.evaluate(async (rules) => {
                        const { violations } = await globalThis.axe.run(document, {
                            runOnly: rules,
                            resultTypes: ["violations"],
                        });
                        return violations.flatMap(({ id, help, nodes }) =>
                            nodes.slice(0, 3).map((node) => `${id}: ${help}: ${node.target} ${node.any[0]?.message ?? ""}`),
                        );
                    }, RULES);
                    assert.deepEqual(found, [], `at ${width} pixels`);
                    assert.deepEqual(await page.evaluate(faintLabels), [], "labels of drawings");
                });
            }
        });
    }
}

for (const kind of KINDS) {
    test(`${kind}: its policy forbids what isn't its own`, async () => {
        await open(kind, wide, async (page) => {
            const policies = page.locator("meta[http-equiv=Content-Security-Policy]");
            assert.equal(await policies.count(), 1);
            const policy = await policies.getAttribute("content");
            const directives = new Map(policy.split(";").map((part) => part.trim().split(/ (.*)/)));
            assert.equal(directives.get("default-src"), "'none'");
            assert.equal(directives.get("base-uri"), "'none'");
            assert.equal(directives.get("form-action"), "'none'");
            for (const [directive, sources] of directives) {
                for (const source of sources.split(" ")) {
                    const ours = source === "'none'" || source.startsWith("'sha256-") || (directive === "img-src" && source === "data:");
                    assert.ok(ours, `${directive} allows ${source}`);
                }
            }
            // It holds in this browser, too.
            const ran = await page.evaluate(() => {
                const script = document.createElement("script");
                script.textContent = "globalThis.injected = true";
                globalThis.injected = false;
                const wait = new Promise((resolve) => document.addEventListener("securitypolicyviolation", resolve, { once: true }));
                document.body.append(script);
                return wait.then(() => globalThis.injected);
            });
            assert.equal(ran, false);
        }).catch((error) => {
            // The injection above is told on the console, which is as it should be.
            const told = error.actual;
            if (!Array.isArray(told) || told.length !== 1 || !/^console: .*Content Security Policy/.test(told[0])) throw error;
        });
    });

    test(`${kind}: all is to be seen without scripts`, async () => {
        await open(kind, { ...wide, javaScriptEnabled: false }, async (page) => {
            assert.ok((await page.locator("main section").count()) >= 3);
            await openDetails(page);
            assert.deepEqual(await page.evaluate(hiddenTexts), []);
            assert.deepEqual(await page.evaluate(layoutProblems), []);
        });
    });

    test(`${kind}: it prints, with what is folded away`, async () => {
        // The width of A4 within margins of 15 mm.
        await open(kind, { viewport: { width: 680, height: 962 }, colorScheme: "dark" }, async (page) => {
            await page.emulateMedia({ media: "print" });
            assert.deepEqual(await page.evaluate(hiddenTexts), []);
            assert.deepEqual(await page.evaluate(layoutProblems), []);
            const pdf = await page.pdf({ preferCSSPageSize: true });
            assert.equal(pdf.subarray(0, 5).toString(), "%PDF-");
            writeFileSync(path.join(pictures, `${kind}.pdf`), pdf);
        });
    });

    test(`${kind}: rendering it again gives the same bytes`, async () => {
        const first = readReport(runs[kind]);
        for (let time = 0; time < 2; time++) {
            const { code, said } = await trainyard(directory, ["report", runs[kind]]);
            assert.equal(code, 0, said);
            assert.ok(first.equals(readReport(runs[kind])), "the report changed");
        }
    });
}

for (const [kind, words] of [
    ["good", /^Passed/i],
    ["missed", /expectation/i],
    ["failed", /^Failed: .*NaN/is],
    ["interrupted", /^Interrupted after epoch \d/],
]) {
    test(`${kind}: the verdict says so at the top`, async () => {
        await open(kind, { viewport: { width: 400, height: 800 } }, async (page) => {
            const verdict = page.locator("#verdict .verdict");
            assert.match((await verdict.innerText()).replace(/^\S\s+/, ""), words);
            const { y, height } = await verdict.boundingBox();
            assert.ok(y + height <= 800, "the verdict isn't on the first screen of a phone");
        });
    });
}

test("hostile names, title and description are text", async () => {
    await open("hostile", wide, async (page) => {
        const title = `</title>${SCRIPT} ${RIGHT_TO_LEFT} ${LONG}`;
        assert.equal(await page.evaluate(() => document.querySelector("title").textContent), title);
        assert.equal(await page.locator("h1").textContent(), title);
        assert.ok((await page.locator(".description").textContent()).includes("{{ 7*7 }}"));
        const sorted = [...HOSTILE].sort();
        for (const table of ["#classification-report tbody th", "#confusion-matrix tbody th"]) {
            const names = (await page.locator(table).allTextContents()).map((name) => name.trim());
            assert.deepEqual(names.sort(), sorted, table);
        }
        const text = await page.locator("#data").textContent();
        for (const name of HOSTILE) assert.ok(text.includes(fileName(name, "broken")), name);
        // Scripts, if there are any, are the page's own: none of them calls `alert`.
        assert.ok(!(await page.locator("script").allTextContents()).some((script) => /^\s*alert/.test(script)));
        assert.equal(await page.locator("img[src=x], [onerror]").count(), 0);
    });
});

test("a name of any length takes a line or two of a table, and turns no tooltip", async () => {
    await open("hostile", { viewport: { width: 400, height: 900 } }, async (page) => {
        const heights = await page.locator("#classification-report tbody tr").evaluateAll((rows) => rows.map((row) => row.offsetHeight));
        assert.equal(heights.length, HOSTILE.length);
        assert.ok(Math.max(...heights) < 60, `rows are ${heights} pixels high`);
        const title = await page.locator("#classification-report tbody .name", { hasText: LONG }).getAttribute("title");
        assert.equal(title, LONG);
        const tooltips = await page.locator("#confusion-matrix .matrix [title]").evaluateAll((cells) => cells.map((cell) => cell.title));
        const mixed = tooltips.filter((tooltip) => tooltip.includes(" predicted as ") && tooltip.includes(RIGHT_TO_LEFT));
        assert.ok(mixed.length > 0);
        for (const tooltip of mixed) assert.ok(tooltip.includes(`\u2068${RIGHT_TO_LEFT}`), tooltip);
    });
});

test("sections are within reach on phones, and beside the page where there is room", async () => {
    await open("good", { viewport: { width: 400, height: 900 } }, async (page) => {
        const links = page.locator("nav a");
        assert.ok((await links.count()) > 20);
        assert.ok((await page.locator("nav").boundingBox()).height < 60);
        await links.last().click();
        const { y, height } = await page.locator("nav").boundingBox();
        assert.equal(y, 0, "the navigation stays in sight");
        const heading = await page.locator("#provenance h2").boundingBox();
        assert.ok(heading.y >= height, "a heading that was asked for isn't covered");
    });
    await open("hundred", { viewport: { width: 2560, height: 900 } }, async (page) => {
        const [nav, main] = [await page.locator("nav").boundingBox(), await page.locator("main").boundingBox()];
        assert.ok(nav.x + nav.width <= main.x);
        // What is too wide for the column of text takes the room that is left.
        const matrix = await page.locator("#confusion-matrix .scroll").boundingBox();
        assert.ok(matrix.width > main.width && matrix.x + matrix.width <= 2560, `${matrix.width} of ${main.width} pixels`);
    });
});

test("a column heading of the per-class table sorts it", async () => {
    await open("good", wide, async (page) => {
        const buttons = page.locator("#classification-report thead th button");
        assert.equal(await buttons.count(), 5);
        const rows = page.locator("#classification-report tbody tr");
        const column = (index) => rows.locator(`:scope > :nth-child(${index + 1})`).allTextContents();
        for (let index = 0; index < (await buttons.count()); index++) {
            const own = page.locator("#classification-report thead th").nth(index);
            const seen = [];
            for (let time = 0; time < 2; time++) {
                await buttons.nth(index).click();
                const order = await own.getAttribute("aria-sort");
                assert.match(order, /^(ascending|descending)$/);
                const values = await column(index);
                const key = (value) => (Number.isNaN(parseFloat(value)) ? value : parseFloat(value.replaceAll(",", "")));
                const expected = [...values].sort((a, b) => (key(a) < key(b) ? -1 : key(a) > key(b) ? 1 : 0));
                if (order === "descending") expected.reverse();
                assert.deepEqual(values.map(key), expected.map(key), `column ${index + 1} ${order}`);
                seen.push(order);
            }
            assert.deepEqual(seen.sort(), ["ascending", "descending"]);
        }
        assert.equal(await page.locator("#classification-report th:is([aria-sort=ascending], [aria-sort=descending])").count(), 1);
        // By the keyboard, too; averages stay where they are.
        await buttons.nth(0).press("Enter");
        const once = await rows.allTextContents();
        await buttons.nth(0).press("Enter");
        assert.deepEqual(await rows.allTextContents(), once.toReversed());
        assert.match(await page.locator("#classification-report tfoot").innerText(), /macro/i);
    });
});

for (const [kind, javaScriptEnabled] of [["missed", true], ["missed", false]]) {
    test(`a cell of the confusion matrix leads to its mistakes, ${javaScriptEnabled ? "with" : "without"} scripts`, async () => {
        await open(kind, { ...wide, javaScriptEnabled }, async (page) => {
            const links = page.locator("#confusion-matrix .matrix td:not(.right) a");
            assert.ok((await links.count()) > 1);
            assert.equal(await page.locator("#confusion-matrix .matrix td.right a").count(), 0);
            for (const link of [links.first(), links.last()]) {
                await link.click();
                const target = page.locator(`[id="${(await link.getAttribute("href")).slice(1)}"]`);
                assert.equal(await target.count(), 1);
                await target.waitFor({ state: "visible" });
                const images = target.locator("img");
                assert.ok((await images.count()) > 0, "no image of a mistake");
                assert.ok(await images.first().isVisible());
                const { y } = await target.boundingBox();
                assert.ok(y >= -1 && y < 900, `the page isn't scrolled to the mistakes: ${y}`);
            }
        });
    });
}

test("the command that reproduces a run is copied by a button", async () => {
    const options = { ...wide, permissions: ["clipboard-read", "clipboard-write"] };
    await open("good", options, async (page) => {
        const button = page.locator("#provenance button");
        await button.first().click();
        const copied = await page.evaluate(() => navigator.clipboard.readText());
        assert.match(copied, /\brun good\.yaml/);
        assert.ok((await page.locator("#provenance").innerText()).includes(copied));
    });
});

test("many classes can be filtered by name", async () => {
    await open("hundred", wide, async (page) => {
        await page.locator("#classification-report input[type=search]").fill("CLASS 42");
        const shown = page.locator("#classification-report tbody tr:visible");
        assert.deepEqual((await shown.locator("th").allTextContents()).map((name) => name.trim()), ["class 42"]);
    });
});

/** Points at places in a drawing, as shares of its width; resolves to the lines of the notes, empty where there is none. */
async function point(page, chart, places) {
    await chart.scrollIntoViewIfNeeded();
    const { x, y, width, height } = await chart.boundingBox();
    const notes = [];
    for (const place of places) {
        await page.mouse.move(x + width * place, y + height / 2);
        const note = chart.locator("xpath=following-sibling::div[@class='pointed']");
        notes.push((await note.isVisible()) ? (await note.innerText()).split("\n") : []);
    }
    return notes;
}

for (const width of [400, 1280]) {
    test(`pointing at a curve shows the numbers of the epoch, at ${width} pixels`, async () => {
        await open("good", { viewport: { width, height: 900 } }, async (page) => {
            const charts = page.locator("#learning-curves svg[data-numbers]");
            assert.equal(await charts.count(), 2);
            const cell = async (epoch, column) => {
                const row = page.locator("#curves-numbers tbody tr").nth(epoch - 1);
                return (await row.locator(":scope > *").nth(column).textContent()).trim();
            };
            const headings = await page.locator("#curves-numbers thead th").allTextContents();
            for (const [at, name] of ["loss", "accuracy"].entries()) {
                const chart = charts.nth(at);
                const [first, last, axis] = await point(page, chart, [0.17, 0.95, 0.01]);
                for (const [epoch, note] of [[1, first], [12, last]]) {
                    const columns = [name, `Validation ${name}`].map((wanted) =>
                        headings.findIndex((heading) => heading.toLowerCase() === wanted.toLowerCase()),
                    );
                    const lines = columns.map(async (column) => `${headings[column]}: ${await cell(epoch, column)}`);
                    assert.deepEqual(note, [`Epoch: ${await cell(epoch, 0)}`, ...(await Promise.all(lines))]);
                }
                assert.deepEqual(axis, [], "left of the plot there is no epoch");
                // The note stands within the page, and the line that it belongs to within the plot.
                await point(page, chart, [0.95]);
                assert.deepEqual(
                    (await page.evaluate(layoutProblems)).filter((problem) => /pixels wide|sticks out|leaves/.test(problem)), [],
                );
                assert.equal(await chart.locator("line.pointed").count(), 1);
            }
            await page.mouse.move(1, 1);
            assert.equal(await page.locator("line.pointed, div.pointed:visible").count(), 0);
        });
    });
}

test("pointing at other charts shows the row of the place", async () => {
    await open("good", wide, async (page) => {
        const [note] = await point(page, page.locator("#threshold-table svg[data-numbers]"), [0.55]);
        const row = page.locator("#thresholds-table tbody tr", { hasText: "≥ 50%" });
        assert.deepEqual(note.map((line) => line.split(": ")[1]), (await row.locator("th, td").allTextContents()).map((t) => t.trim()));
        const [bin] = await point(page, page.locator("#calibration svg[data-numbers]"), [0.6]);
        assert.match(bin[0], /^Confidence: \d+\.\d% to \d+\.\d%$/);
        assert.equal(bin.length, 5);
        // Where rows belong to curves, there is nothing to show for a place.
        assert.equal(await page.locator("#roc svg[data-numbers]").count(), 0);
    });
});

test("what is no number is told where it would be drawn", async () => {
    await open("failed", wide, async (page) => {
        assert.match(await page.locator("#learning-curves .legend").first().innerText(), /validation .*: not a number in 1 epoch/);
    });
});

// The search for what is broken must be able to find it.
for (const [what, body, expected] of [
    ["a page that is too wide", "<div style='width: 2000px'>x</div>", /the page is 20\d\d pixels wide/],
    ["a text over another", "<p>under</p><p style='margin-top: -2rem'>over</p>", /'under' .* and 'over' .* overlap/],
    ["a text over a picture", "<svg width=50 height=50></svg><p style='margin-top: -2rem'>over</p>", /overlap/],
    ["a text that is cut", "<p style='width: 3rem; overflow: hidden; white-space: nowrap'>many words</p>", /is cut/],
    ["a text that leaves its box", "<p style='width: 2rem'>unbreakable</p>", /sticks out/],
    ["labels that overlap", "<svg viewBox='0 0 99 99' width=99><text x=9 y=50>one</text><text x=15 y=50>two</text></svg>", /'one'.*'two'/],
    ["a label outside of its drawing", "<svg viewBox='0 0 99 99' width=99><text x=90 y=50>outside</text></svg>", /leaves its drawing/],
    ["a name that turns what follows", "<p><b>\u202egnp</b> taken for <b>x</b></p>", /doesn't stand right of/],
]) {
    test(`it is noticed: ${what}`, async () => {
        const file = path.join(directory, "planted.html");
        writeFileSync(file, `<!DOCTYPE html><meta charset="utf-8"><title>x</title><body>${body}`);
        await visit(browser, file, { viewport: { width: 800, height: 600 } }, async (page) => {
            assert.match((await page.evaluate(layoutProblems)).join("\n"), expected);
        });
    });
}

test("nothing is noticed where nothing is wrong", async () => {
    const file = path.join(directory, "sound.html");
    const body = "<h1>Title</h1><p title='all of it' style='width: 3rem; overflow: hidden'>tooltipped</p>" +
        "<div style='overflow: auto; width: 9rem'><p style='width: 20rem'>scrolls</p></div><p><b>a</b> and <bdi>\u202eb</bdi> too</p>";
    writeFileSync(file, `<!DOCTYPE html><meta charset="utf-8"><title>x</title><body>${body}`);
    await visit(browser, file, { viewport: { width: 800, height: 600 } }, async (page) => {
        assert.deepEqual(await page.evaluate(layoutProblems), []);
    });
});
