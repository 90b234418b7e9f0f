// The browser that the reports are opened in.

import { accessSync, constants } from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { chromium } from "playwright-core";

const NAMES = ["chromium", "chromium-browser", "google-chrome"];
const ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--disable-quic",
];

function executable() {
    const folders = ["/usr/bin", ...(process.env.PATH ?? "").split(path.delimiter)];
    const found = NAMES.flatMap((name) => folders.map((folder) => path.join(folder, name))).find((file) => {
        try {
            accessSync(file, constants.X_OK);
            return true;
        } catch {
            return false;
        }
    });
    if (!found) throw new Error(`none of ${NAMES.join(", ")} is installed`);
    return found;
}

export const launch = () => chromium.launch({ executablePath: executable(), args: ARGUMENTS });

/** Opens a file with `use` of its page; says what was complained of, asked for or popped up meanwhile. */
export async function visit(browser, file, options, use) {
    const context = await browser.newContext(options);
    try {
        const page = await context.newPage();
        const incidents = [];
        const own = pathToFileURL(file).href;
        page.on("console", (message) => {
            if (["error", "warning"].includes(message.type())) incidents.push(`console: ${message.text()}`);
        });
        page.on("pageerror", (error) => incidents.push(`error: ${error.message}`));
        page.on("dialog", async (dialog) => {
            incidents.push(`dialog: ${dialog.message()}`);
            await dialog.dismiss();
        });
        page.on("request", (request) => {
            const url = request.url();
            if (url.split("#")[0] !== own && !url.startsWith("data:")) incidents.push(`request: ${url}`);
        });
        await page.goto(own, { waitUntil: "load" });
        await use(page);
        return incidents;
    } finally {
        await context.close();
    }
}
